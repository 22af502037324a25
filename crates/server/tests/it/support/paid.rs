//! Buyers who have paid, planted with plain SQL, in the make-believe provider's books too.

/// So many paid reservations of one ticket each of a concert, which gets as many tickets more. Their ids
/// begin with `RES` and a number from `first` on, their payments' with `PAY` and the same.
pub(crate) fn plant_paid(concert: i32, first: i64, buyers: i64) -> String {
    let last = first + buyers - 1;
    format!(
        "UPDATE concerts SET total_tickets = total_tickets + {buyers} WHERE id = {concert};
         INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                   total_price, status, payment_status)
         SELECT 'RES' || n || '-00000000', {concert}, 'Som Chai', 'paid' || n || '@example.com', 1,
                1250, 'confirmed', 'completed'
         FROM generate_series({first}, {last}) n;
         INSERT INTO payments (id, reservation_id, provider, amount, currency, status, language,
                               provider_money)
         SELECT 'PAY' || n || '-00000000', 'RES' || n || '-00000000', 'sandbox', 1250, 'THB',
                'completed', 'en', 'PAY' || n || '-00000000'
         FROM generate_series({first}, {last}) n;
         INSERT INTO sandbox_orders (payment_id, amount, currency, title, return_url, held_until,
                                     outcome, told_at)
         SELECT 'PAY' || n || '-00000000', 1250, 'THB', '1 ticket', '/', now() AT TIME ZONE 'utc',
                'pay', now() AT TIME ZONE 'utc'
         FROM generate_series({first}, {last}) n"
    )
}

-- The request of each sale, kept as its buyer's address is, so that its audit row leads to the line of
-- the log although hundreds are written together. Empty where no request asked.

ALTER TABLE reservations ADD COLUMN request_id UUID;
COMMENT ON COLUMN reservations.request_id IS 'the request that made it, as in its answer and the log';
COMMENT ON COLUMN audit_logs.request_id IS
    'the request that asked for it, as in its answer and the log';

CREATE OR REPLACE FUNCTION audit_insert_reservations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
    is_engine boolean;
BEGIN
    SELECT * INTO who FROM public.audit_actor();
    is_engine := who.kind = 'system';
    INSERT INTO public.audit_logs (user_id, action, table_name, record_id, new_values, ip_address,
                                   actor_kind, actor, request_id)
    SELECT who.user_id, 'CREATE', 'reservations', n.id,
           jsonb_build_object(
               'concert_id', n.concert_id, 'customer_name', n.customer_name,
               'customer_email', n.customer_email, 'quantity', n.quantity,
               'total_price', n.total_price, 'status', n.status,
               'payment_status', n.payment_status, 'google_auth', n.google_auth,
               'expires_at', n.expires_at),
           CASE WHEN is_engine THEN n.client_ip ELSE who.address END,
           CASE WHEN is_engine THEN 'holder' ELSE who.kind END,
           CASE WHEN is_engine THEN n.id ELSE who.actor END,
           CASE WHEN is_engine THEN n.request_id ELSE who.request_id END
    FROM new_rows n;
    RETURN NULL;
END
$$;

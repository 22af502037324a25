## The list of reservations

sr-title = Reservations
sr-filter = Find reservations
sr-search = Name, e-mail or reservation
sr-status = Status
sr-status-any = Any
sr-status-pending = Held
sr-status-confirmed = Confirmed
sr-status-cancelled = Cancelled
sr-status-expired = Expired
sr-concert-number = Concert’s number
sr-email = E-mail
sr-from = Made from
sr-to = Made until
sr-find = Find
sr-none = There are no reservations yet.
sr-none-found = No reservation is like that. Take a filter away, or look for a part of the name.
sr-none-here = Nothing among the newest of them. Go on with older ones.
sr-chosen = Chosen
sr-choose = Choose { $id }
sr-buyer = Buyer
sr-made = Made
sr-changed = Last changed
sr-acts-on-chosen = With those that are chosen
sr-choose-cancel = Cancel chosen…
sr-choose-refund = Refund chosen…
sr-choose-resend = Write to chosen…
sr-pages = Pages
sr-newest = Newest
sr-older = Older

## One reservation

sr-acts = What can be done
sr-confirm = Confirm by hand
sr-confirm-sentence = You had the money another way. The tickets are the buyer’s, and we write to them.
sr-confirm-anew =
    { $count ->
        [one] The hold ran out. Confirming takes one ticket anew, if there still is one; it counts as paid by hand.
       *[other] The hold ran out. Confirming takes { $shown } tickets anew, if there still are as many; they count as paid by hand.
    }
sr-resend = Write to the buyer again
sr-resend-sentence = A new mail tells how the reservation stands now, with its tickets where it has some.
sr-cancel = Cancel
sr-cancel-one-sentence = The tickets are on sale again at once. What was paid goes back, and we write to the buyer. What was paid by hand counts as paid back by hand.
sr-refund = Refund
sr-refund-sentence = All that was paid goes back, and a confirmed reservation is cancelled by that. What was paid by hand counts as paid back by hand: do that first.
sr-held-until = Held until
sr-payments = Payments
sr-payments-none = Nothing was paid yet.
sr-payment = Payment
sr-way = Way
sr-by-hand = by hand
sr-amount = Amount
sr-payment-pending = undecided
sr-payment-completed = paid
sr-payment-failed = failed
sr-payment-refunding = on its way back
sr-payment-refunded = paid back
sr-reason-late = It came when the hold was over.
sr-reason-cancelled = The reservation had been cancelled.
sr-reason-twice = The reservation was paid already.
sr-reason-wrong-amount = It isn’t what was asked for.
sr-reason-by-customer = The buyer gave the tickets back.
sr-reason-by-staff = Staff gave it back.
sr-reason-concert-cancelled = The concert was cancelled.
sr-ticket = Ticket
sr-ticket-use = Use
sr-ticket-unused = not used
sr-ticket-used-at = used { $time }
sr-mails = Mails
sr-mail = Mail
sr-recipient = Recipient
sr-story = What happened
sr-event-made =
    { $count ->
        [one] One ticket was reserved.
       *[other] { $shown } tickets were reserved.
    }
sr-event-by-hand = Staff confirmed it: it was paid by hand.
sr-event-payment = The buyer went to pay at { $name }.
sr-event-mail = A mail was written: { $title }.
sr-event-mail-left = The mail left: { $title }.
sr-event-ticket = Ticket { $number } let its holder in.
sr-event-expired = The hold ran out.
sr-told-paid = The provider has the money.
sr-told-failed = The payment failed.
sr-told-refunded = The provider sent the money back.
sr-told-refund-failed = The provider could not send the money back.
sr-told-refund-moved = The provider told something of a refund.
sr-told-disputed = The buyer’s bank disputes the payment. Answer it at the provider’s.
said-reservation-confirmed = The reservation is confirmed.
said-reservation-cancelled = The reservation is cancelled, and its tickets are on sale again.
said-reservation-refunded = The money is on its way back; what was paid by hand counts as paid back.
said-mail-written = A new mail was written. It leaves within moments.

## Why something isn’t done

sr-refused-gone = It was deleted meanwhile.
sr-refused-cancelled = It is cancelled already.
sr-refused-expired = Its hold has run out, and its tickets go back on sale by themselves.
sr-refused-unpaid = Nothing was paid that could go back, or it is on its way back already.
sr-refused-mail = No mail tells of a reservation that stands so.
sr-refused-role = Whoever started this may do so no longer.
sr-refused-broken = Something is wrong with this reservation. The server’s log says what.
sr-refused-state = Its state has changed. Look at it again.
sr-refused-concert-deleted = Its concert was deleted, so there is nothing to confirm. Refund what was paid.
sr-refused-concert-cancelled = Its concert was cancelled, so there is nothing to confirm. Refund what was paid.
sr-refused-tickets =
    { $count ->
        [one] It has expired, and only one ticket is left.
       *[other] It has expired, and only { $shown } tickets are left.
    }

## Several at once

sr-none-chosen = Nothing was chosen. Go back and tick the reservations that you mean.
sr-preview = This can be done to { $shown } of { $total }. Nothing has happened yet.
sr-what-happens = What happens
sr-start = Do it
sr-run-cancel = Cancel reservations
sr-run-refund = Refund reservations
sr-run-resend = Write to buyers again
sr-run-concert = Cancel the concert
sr-run-begun = Started by { $name }, { $time }.
sr-run-going-on = Under way
sr-run-over = Finished
sr-run-of = { $shown } of { $total } reservations
sr-run-done = Done
sr-run-refused = Left as they were
sr-run-failed = Failed
sr-run-refunds-back = Refunds that are back
sr-run-refunds-under-way = Refunds on their way
sr-run-refunds-stuck = Refunds that need you
sr-run-mails-sent = Mails that left
sr-run-mails-waiting = Mails that wait
sr-run-mails-dead = Mails given up
sr-run-look = Look again
sr-run-troubles = Left as they were, and why
sr-why = Why

## Cancelling a concert

sr-cancel-sentence = Its sale ends for good. Everybody who has tickets is cancelled, gets their money back and a mail. This can’t be undone.
sr-cancelled-before = This concert was cancelled before.
sr-to-run = How far that has come
sr-cancel-confirmed = Confirmed reservations
sr-cancel-held = Held reservations
sr-cancel-tickets = Tickets
sr-cancel-by-provider = Refunds by the provider
sr-cancel-by-hand = To be paid back by hand
sr-cancel-mails = Mails
sr-cancel-name = Name of the concert
sr-cancel-name-hint = Type “{ $name }” if you mean it.
sr-cancel-name-wrong = That isn’t its name.
sr-cancel-submit = Cancel the concert and refund everybody

## Refunds that stand open

refunds-title = Refunds that need you
refunds-none = No refund stands open.
refunds-hint = Mend what the reason says, then use “Refund” on the reservation’s page: it is tried again, and what was paid by hand counts as paid back.
refunds-paid = Begun to pay

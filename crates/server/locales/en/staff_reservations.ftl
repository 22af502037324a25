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
sr-concert-number = Concert (number or name)
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
sr-choose-all = Choose all on this page
sr-choose-none = Choose none
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
sr-cancel-one-sentence = The tickets go back to the concert at once. What was paid goes back, and we write to the buyer. What was paid by hand stays in the list of refunds until you have paid it back and say so.
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
sr-ticket-void = void
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
sr-deed-confirmed = { $name } confirmed it: it was paid by hand.
sr-deed-cancelled = { $name } cancelled it.
sr-deed-refunded = { $name } gave the money back.
sr-deed-settled = { $name } noted that the money was paid back another way.
sr-deed-resent = { $name } wrote to the buyer again.
sr-event-payment = The buyer went to pay at { $name }.
sr-event-mail = A mail was written: { $title }.
sr-event-mail-left = The mail left: { $title }.
sr-event-ticket = Ticket { $number } let its holder in.
sr-event-expired = The hold ran out.
sr-told-paid = The provider has the money.
sr-told-failed = The payment failed.
sr-told-refunded = The provider sent the money back.
sr-told-refund-failed = The provider could not send the money back.
sr-told-refund-refused = The provider refused to send the money back.
sr-told-refunded-too = The provider sent the money back as well, though it had been paid back another way.
sr-told-settled = The money was paid back another way.
sr-told-settled-so = The money was paid back another way: { $note }
sr-told-refund-moved = The provider told something of a refund.
sr-told-disputed = The buyer’s bank disputes the payment. Answer it at the provider’s.
said-reservation-confirmed = The reservation is confirmed.
said-reservation-cancelled = The reservation is cancelled, and its tickets are back.
said-reservation-refunded = The money is on its way back; what was paid by hand counts as paid back.
said-mail-written = A new mail was written. It leaves within moments.

## Why something isn’t done

sr-refused-gone = It was deleted meanwhile.
sr-refused-cancelled = It is cancelled already.
sr-refused-expired = Its hold has run out, and its tickets go back on sale by themselves.
sr-refused-unpaid = Nothing was paid that could go back, or it is on its way back already.
sr-refused-owed = It was paid by hand: pay it back, then say so on its own page.
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
sr-preview-by-hand = Paid by hand: { $number } ({ $amount }). That money doesn’t go back by itself. Each stays in the list of refunds until you have paid it back and say so.
sr-preview-back = Goes back the way it was paid: { $amount }, from { $number } of these reservations.
sr-money-back = Money back
sr-what-happens = What happens
sr-start = Do it
sr-run-cancel = Cancel reservations
sr-run-refund = Refund reservations
sr-run-resend = Write to buyers again
sr-run-concert = Cancel the concert
sr-run-begun = Started by { $name }, { $time }.
sr-run-going-on = Under way
sr-run-followed = Done; refunds or mails are still on their way
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
sr-run-rows = Each reservation
sr-run-rows-cut = The first { $shown } of { $total } are listed.
sr-run-outcome = What came of it
sr-run-waits = It waits for its turn.
sr-runs-title = Acts on several reservations
sr-runs-none = Nothing was done to several reservations yet.
sr-runs-hint = The newest 50 are listed.
sr-runs-what = Act
sr-runs-who = Started by
sr-runs-at = Started

## Cancelling a concert

sr-cancel-sentence = Its sale ends for good. Every reservation is cancelled; buyers get their money back and a mail. This can’t be undone.
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
refunds-hint = Each has a page: there you have its provider asked once more, or say how you paid the money back yourself.
refunds-paid = Begun to pay

## One of them

refund-title = A refund that needs you
refund-help = Help this refund along
refund-why = Why it is stuck
refund-reason = Why the money goes back
refund-paid-at = Paid
refund-money = The provider’s name for the money
refund-tries = What was tried
refund-tries-none = The provider has told nothing of this payment.
refund-ask = Ask the provider once more
refund-ask-sentence = Mend what the reason says first. What the provider has sent by now is found, and nothing is sent twice.
refund-settle = I paid this back another way
refund-settle-sentence = Only where the provider will never pay, such as when the card was closed. Pay the buyer first, then note it here: the refund counts as done, and the buyer gets a mail.
refund-note = How and when you paid it back
refund-note-hint = From 1 to 500 characters, such as “Transfer to the buyer’s bank account, 3 March”. The buyer sees it only when they ask for a copy of their data.
refund-note-empty = Write how and when you paid it back.
refund-note-long =
    { $count ->
        [one] The note is one character too long. Shorten it to 500.
       *[other] The note is { $shown } characters too long. Shorten it to 500.
    }
refund-settle-submit = Go on
refund-confirm-title = Is it paid back?
refund-confirm-sentence = You say that { $name } has { $amount } back. Nobody asks the provider for it any more, we write to the buyer, and it can’t be undone.
refund-confirm-submit = Yes, it is paid back
refund-confirm-change = Change the note
refund-settled = Paid back another way
refund-twice = It may have been paid back twice
refund-twice-sentence = The provider says that it sent the money back as well. Look at its books, and talk to the buyer if the money is there twice.
refund-not-stuck = This refund isn’t stuck: the money is on its way back, or it is back already. Nothing was changed.
refund-by-hand = It was paid by hand, so there is no provider to ask. Pay it back, and note that you did.
refund-being-sent = The provider is being asked for this money right now. Wait two minutes and look at its answer, or the buyer may get it twice.
said-refund-asked = The provider is being asked once more. Its answer shows here within moments.
said-refund-settled = The refund is done, and the buyer gets a mail.

# Every text of the pages, in English. th.ftl has the same keys; a test compares them.
# $count picks a plural form, $shown is the same number as people write it.

## On every page

brand = Stagedoor
page-title = { $title } – { $site }
skip-to-content = Skip to content
home-link = Stagedoor: all concerts
language = Language
theme = Appearance
theme-system = Automatic
theme-light = Light
theme-dark = Dark
footer-promise = The price you see is the price you pay. No fees are added.
free = Free
tickets =
    { $count ->
        [one] { $shown } ticket
       *[other] { $shown } tickets
    }

## The state of a sale, in words

state-on-sale = On sale
state-few-left = Few left: { $shown }
state-sold-out = Sold out
state-closed = Sale closed
state-past = Already played
state-cancelled = Cancelled

## List of concerts

concerts-title = Concerts
concerts-lead = Pick an evening. We hold your tickets while you decide.
concerts-description = Find a concert, see how many tickets are left and book yours in a minute. The price you see is the price you pay.
filter-label = Find a concert
filter-search = Artist, concert or venue
filter-more = Month, venue, sale
filter-month = Month
filter-month-any = Any month
filter-venue = Venue
filter-venue-any = Any venue
filter-status = Sale
filter-status-open = On sale
filter-status-closed = Closed
filter-submit = Search
filter-clear = Clear the search
concerts-more = More concerts
concerts-empty-title = No concert matches your search
concerts-empty-hint = Try fewer words, another month or any venue.
concerts-empty-action = Show all concerts on sale
concerts-none-title = No concerts here at the moment
concerts-none-hint = New concerts appear on this page as soon as their sale opens.

## One concert

concert-back = All concerts
concert-description = { $artist } – { $name }, { $date }, { $venue }. Tickets at the full price, with no fees added.
concert-date = Date
concert-venue = Venue
concert-price = Price per ticket
concert-price-note = all fees included
concert-left = Tickets left
concert-left-of = of { $shown }
concert-about = About this concert
concert-poster = Poster: { $artist }
hold-title = Get tickets
hold-quantity = How many tickets?
hold-quantity-hint =
    { $count ->
        [one] One ticket per person.
       *[other] Up to { $shown } per person.
    }
hold-fewer = One ticket fewer
hold-more = One ticket more
hold-name = Your name
hold-email = E-mail
hold-email-hint = It belongs to your reservation. We send no advertising.
hold-total = Total
hold-submit = Get tickets
hold-note = Nothing is charged now. Your tickets are held for you first.
hold-note-free = These tickets are free. Your reservation is confirmed at once.
sold-out-title = Sold out
sold-out-sentence = Every ticket is sold or held for somebody.
sold-out-next = Held tickets come back when their time is over, so it is worth looking again.
sold-out-action = Look again
on-sale-now = Tickets are on sale now
sale-closed-title = The sale is closed
sale-closed-sentence = Tickets for this concert can't be booked at the moment.
sale-closed-next = If the sale opens again, you can book on this page.
past-title = This concert has already been played
past-sentence = Its sale ended with the day of the concert.
concert-cancelled-title = This concert is cancelled
concert-cancelled-sentence = Everyone who paid gets their money back and a mail about it. You don't need to do anything.
other-concerts-action = See other concerts

## What can be wrong with a booking

errors-title =
    { $count ->
        [one] One thing needs your attention
       *[other] { $shown } things need your attention
    }
errors-page-title = Please check: { $title }
error-quantity-range =
    { $count ->
        [one] You can book 1 ticket.
       *[other] Enter a number of tickets from 1 to { $shown }.
    }
error-name-missing = Enter your name.
error-name-long = Shorten your name: it has too many characters.
error-name-characters = Your name contains characters that can't be shown. Type it again.
error-email = Enter an e-mail address like name@example.com.
error-not-enough =
    { $count ->
        [one] Only 1 ticket is left. Choose 1 and try again.
       *[other] Only { $shown } tickets are left. Choose { $shown } or fewer and try again.
    }
error-limit-order =
    { $count ->
        [one] You can book 1 ticket at a time.
       *[other] You can book up to { $shown } tickets at a time. Choose fewer and try again.
    }
error-limit-customer =
    { $count ->
        [one] One e-mail address can have 1 ticket for this concert, and yours has it already.
       *[other] One e-mail address can have { $shown } tickets for this concert, counting those you already have. Choose fewer and try again.
    }
error-sold-out = The last tickets were taken while you were writing. Held tickets may come back within minutes.
error-sale-closed = The sale has just closed. No tickets were taken.
error-form-stale = This form was already used for another booking. Check it and send it once more.
error-in-flight = Your booking is still on its way. Wait a moment and send it once more: you won't get the tickets twice.
error-total = One order can't cost that much. Choose fewer tickets and try again.
error-unknown = The connection broke before we could see whether this was booked. Send it once more: you won't get the tickets twice.
error-busy = Too many people are booking at this moment. Nothing was booked. Wait a moment and try again.

## A reservation

reservation-title = Your reservation
reservation-number = Reservation
reservation-name = Name
reservation-tickets = Tickets
reservation-total = Total
held-title = Held for you until { $time }
held-label = Held
held-sentence = Nobody else can buy these tickets until { $time }. Pay by then, and they are yours.
held-next = Come back to this page in the same browser at any time before { $time }.
held-left = { $time } left
held-minutes =
    { $count ->
        [one] One minute left until your tickets go back on sale.
       *[other] { $shown } minutes left until your tickets go back on sale.
    }
held-more = More time
held-more-hint =
    { $count ->
        [one] Starts the time again. You can do this once more.
       *[other] Starts the time again. You can do this { $shown } more times.
    }
held-more-none = You have used all the time there is. The tickets stay yours until the end shown above.
held-soon-title = Your hold ends at { $time }
held-soon-sentence = Then the tickets go back on sale by themselves. If you don't want them any more, somebody else may be glad of them now.
held-soon-close = Close
extend-not-possible = There is no more time for this reservation. This is how it stands now.
confirmed-title = Your tickets are confirmed
confirmed-label = Confirmed
confirmed-sentence = They are yours. Show the codes at the door, on this screen or on paper.
door-title = Your tickets
door-action = Show them at the door
door-hint = Open that page once while you have a connection: from then on it opens without one, until the concert is over.
door-saved = Saved on { $date } at { $time }.
door-copy = There is no connection to the ticket office. If the tickets were cancelled since, this copy doesn't know.
door-kept = Saved on this device: this page opens without a connection, until the concert is over.
passes-sentence = One code lets one person in, once. Whoever has it can use it, so share it with nobody but your guests.
pass-name = Ticket { $number } of { $total }
pass-qr = QR code of ticket { $number } of { $total }
pass-code = Code for typing:
pass-used = Used on { $date } at { $time }
take-pdf = Save as PDF
take-calendar = Add to calendar
take-resend = Send the mail again
resend-done = The mail is on its way. It may take a minute, and it may lie in the spam folder.
resend-soon = A mail left less than a minute ago. Look in the spam folder, too; then try again.
resend-often = Five mails in a day are enough. All you need is on this page.
resend-not-possible = There is nothing to send for this reservation. This is how it stands now.
cancelled-title = Reservation cancelled
cancelled-label = Cancelled
concert-off-sentence = The organiser had to cancel it, so these tickets can't be used any more. You need do nothing.
concert-off-soon = The organiser had to cancel it. Your tickets are being cancelled, and what you paid goes back to you; you need do nothing, and we write to you.
cancelled-sentence = The tickets are on sale again, and nothing more is to be done.
expired-title = The hold has ended
expired-label = Ended
expired-sentence = The tickets were held until { $time } and went back on sale. Nothing was charged.
expired-sentence-money = The tickets were held until { $time } and went back on sale.
again-action = Book again
concert-action = See the concert
cancel-held = Let the tickets go
cancel-confirmed = Give the tickets back
cancel-until = You can give these tickets back until { $date }, { $time }.
cancel-warning = They go back on sale at once, for everybody; what you paid goes back to you. This can't be undone.
cancel-submit = Yes, put them back on sale
cancel-not-possible = This reservation can't be cancelled any more. This is how it stands now.
pay-begin = Pay now
pay-on = Go on paying
pay-title = To the payment
pay-sentence = You pay at our payment provider's. Your card number never reaches us.
pay-opening = We are opening the payment. This page looks again by itself.
pay-go = Go to the payment
pay-again = Look again
pay-back = Back to your reservation
pay-not-possible = This reservation can't be paid any more. This is how it stands now.
paid-title = Checking your payment
paid-sentence = The payment provider tells us within seconds what became of it. Your tickets stay held until their time is over, and nothing is charged twice.
paid-waiting = No word yet. This page looks again by itself; you may also close it, and come back later.
money-undecided = A payment is under way. If you have paid, we are waiting for the provider's word.
money-undecided-late = A payment was under way when the hold ended. If it comes, and enough tickets are still free, they are yours; otherwise your money goes back to you. We write to you as soon as it comes.
money-undecided-cancelled = A payment was under way when this reservation was cancelled. If it comes, your money goes back to you.
money-undecided-concert = A payment was under way when the concert was cancelled. If it comes, your money goes back to you.
money-failed = The payment didn't go through, and nothing was charged. You can try again.
money-late = Your payment came after the hold had ended, and the tickets were gone. Your money is on its way back to you.
money-late-back = Your payment came after the hold had ended, and the tickets were gone. Your money went back to you.
money-twice = A second payment came for this reservation. That money is on its way back to you.
money-twice-back = A second payment came for this reservation. That money went back to you.
money-wrong = What was paid isn't what was asked for. That money is on its way back to you.
money-wrong-back = What was paid isn't what was asked for. That money went back to you.
money-concert = The concert was cancelled. Your money is on its way back to you. Banks take up to ten days.
money-concert-back = The concert was cancelled, and your money went back to you. Banks take up to ten days to show it.
money-going-back = Your money is on its way back to you. Banks take up to ten days.
money-back = Your money went back to you. Banks take up to ten days to show it.
money-settled = The organiser has paid your money back to you, another way than it came.
money-refund-stuck = Your money must go back to you, and that needs somebody's help. The organiser sees it; you need do nothing.

## Signing in, and what a customer has

me-title = My reservations
me-nav = Your reservations
me-signed-in = You are signed in as { $email }.
me-upcoming = Coming up
me-past = Earlier
me-held = Held until { $time }
me-next-pay = Pay now, or let the tickets go
me-next-tickets = See tickets, or give them back
me-none-title = Nothing here yet
me-none-hint = Tickets that you book with this address appear here.
me-more = More
me-previous = Back
sign-out = Sign out
sign-out-hint = This browser then forgets your reservations. You find them again when you sign in, or by the links in your mails.
data-title = Your data
data-hint = All that we keep about you: take it along as a file, or have it erased.
data-export = Download my data
data-erase = Erase my data…
erase-title = Erase my data
erase-sentence = Your name and your address { $email } are erased from all reservations, payments, mails and records, and your account with them. This can't be undone.
erase-stays = What was sold, when and for how much stays in the books, as the law demands, but leads to nobody. Links in old mails stop working.
erase-copies = Backups keep older copies until they expire.
erase-action = Erase for good
erase-back = Keep everything
erased-title = Your data is erased
erased-sentence = Nothing here leads to you any more, and this browser has forgotten your reservations. Links in old mails no longer work.
erase-not-yet = This must end first
erase-hold = Reservation { $id } holds tickets: let them go, or wait until its time is over.
erase-tickets = Reservation { $id } has tickets for a concert to come: give them back, or wait until it is over.
erase-money = Money for reservation { $id } is under way: wait until it has arrived.
sign-in-title = Sign in
sign-in-sentence = See everything that is booked with your e-mail address. You need no password.
sign-in-google = Continue with Google
sign-in-provider = Continue with your account
sign-in-or = or
sign-in-email-hint = We send you a link that signs you in.
sign-in-submit = Send me a link
sign-in-note = You don't have to sign in to buy tickets.
sign-in-sent-title = Look in your mail
sign-in-sent-sentence = We have sent a link to { $email }. It works once, within 15 minutes.
sign-in-sent-hint = Nothing there after some minutes? Look among unwanted mail, check the address, and send another one. An address gets five links in an hour.
sign-in-again = Send another link
sign-in-link-title = One more step
sign-in-link-sentence = Press the button to sign in as { $email } in this browser.
sign-in-link-submit = Sign in
sign-in-over-title = This link no longer works
sign-in-over-sentence = A link works once, within 15 minutes. If it has signed you in already, you need do nothing.
sign-in-over-action = Get a new link
sign-in-cancelled = You went back without signing in. Nothing has changed. Here you can try again, or take the other way.
sign-in-unknown = This sign-in took too long, or was begun in another browser. Please begin again.
sign-in-unverified = That account's e-mail address hasn't been verified by its provider, so it can't show that the address is yours. Verify it there, or let us send you a link.
sign-in-refused = The answer that came back couldn't be trusted, so nobody was signed in. Please begin again, or let us send you a link.
sign-in-away = The other site doesn't answer at the moment. Try again later, or let us send you a link.
hold-sign-in = Sign in to fill this in. You don't have to.
reservation-sign-in = Sign in to find it again on any device

## Mails

mail-greeting = Hello { $name },
mail-concert = Concert
mail-concert-gone = a concert that isn't on any more
mail-footer = You get this mail because tickets were booked with your address. It was written by a program.
mail-button = See your reservation
mail-confirmed-subject = Your tickets: { $concert }
mail-confirmed-sentence = Your booking is complete, and the tickets are yours. You find them attached, and on the page of your reservation; whoever has this link can open it, so keep it to yourself.
mail-confirmed-button = To your tickets
mail-cancelled-subject = Cancelled: { $concert }
mail-cancelled-sentence = Your tickets were given back and can't be used any more. If you had paid, your money goes back the way it came, and we write again when it has left.
mail-concert-cancelled = The organiser had to cancel this concert, so your tickets can't be used any more. We are sorry. If you had paid, your money goes back the way it came; there is nothing you need to do, and we write again when it has left.
mail-refunded-subject = Your money went back: { $concert }
mail-refunded-heading = Your money went back to you
mail-refunded-kept = Your tickets stay yours: this was money beyond their price.
mail-refunded-amount = Sent back
mail-failed-subject = Your payment didn't go through: { $concert }
mail-failed-heading = The payment didn't go through
mail-failed-sentence = Nothing was charged. Your tickets are still held for a short time, and you can try again.
mail-failed-button = Try again
mail-sign-in-subject = Your link to sign in
mail-sign-in-heading = Sign in to your reservations
mail-sign-in-greeting = Hello,
mail-sign-in-sentence = This link signs you in. It works once, within 15 minutes. Nobody of ours will ever ask you for it; don't pass it on.
mail-sign-in-button = Sign in
mail-sign-in-footer = You get this mail because somebody entered your address to sign in. If it wasn't you, you need do nothing. It was written by a program.
dev-mail-title = Mails that would have left
dev-mail-follow = Follow the mail's link
dev-mail-none = No mail was written yet.

## The make-believe payment provider

sandbox-title = Make-believe payment
sandbox-sentence = No money moves here. Choose what happens.
sandbox-pay = Pay
sandbox-decline = The card is declined
sandbox-late = Pay, but the news comes after the hold
sandbox-twice = Pay, and the news comes several times
sandbox-never = Go away without a word
sandbox-refund-fails = Pay, and no refund works later
sandbox-closed = This payment is over: it was closed when its tickets were no longer held.
sandbox-paid = This payment was made already, and takes no second one.
sandbox-back = Back to the shop without a choice

## The first superadmin

setup-title = Make the first superadmin
setup-sentence = This account may do everything here, and makes all other staff accounts. The address of this page works once.
setup-username = User name
setup-username-hint = You sign in with it. Letters a to z, digits, dots, hyphens and underscores.
setup-email = E-mail
setup-email-hint = Nothing is sent to it now.
setup-password = Password
setup-password-hint = At least 8 characters. Spaces are welcome: three or four words make a good one.
setup-submit = Make the superadmin
setup-done-title = You can sign in now
setup-done-sentence = The superadmin { $name } has been made, and this page is closed for good.
setup-done-factor = Sign in with user name and password, turn on a second factor under My account, and make an account for each of your colleagues.
setup-closed-title = This address no longer works
setup-closed-sentence = It was used, its hour is over, a newer one has taken its place, or there is a superadmin already. If nobody can sign in as staff yet, start the server again and take the address from its log, or run stagedoor admin create.
error-username = Enter a user name of letters a to z, digits, dots, hyphens and underscores.
error-password-short = Enter a password of at least 8 characters.
error-password-long = Shorten the password: 72 letters are the most, fewer where they are not a to z.
error-password-weak = This password is easy to guess. Take a longer one, such as four words that have nothing to do with each other.
error-password-characters = The password contains characters that can't be typed into a form. Choose another.
error-taken = Another account has this already, maybe a deleted one. Choose another.

## When something goes wrong

error-next-home = See all concerts
error-400-title = We couldn't read that request
error-400-sentence = Something in the address or the form was not as it should be. Go back and try again.
error-403-title = This page isn't open to you
error-403-sentence = The request came from another place than this site, or from an account without the right to it.
error-404-title = There is nothing behind this door
error-404-sentence = The address may be mistyped, or the concert is no longer listed. A reservation opens in the browser that made it, by the link in its mail, or under My reservations.
error-405-title = This page can't do that
error-405-sentence = The address exists, but it doesn't take this kind of request. Start again from the concerts.
error-410-title = This page is gone
error-410-sentence = It was here once and won't come back.
error-413-title = That is too large
error-413-sentence = A picture may have 8 MB, a file of concerts 2 MB, any other form 64 KB. Make it smaller, go back and try again.
error-422-title = We couldn't use what was sent
error-422-sentence = Something in the form was not as it should be. Nothing was booked. Go back and try again.
error-429-title = A little slower, please
error-429-sentence = There were many requests from your address in a short time. Nothing of yours is lost.
error-500-title = Something broke on our side
error-500-sentence = It is not your fault. If you were booking, look at your reservation before you try again.
error-503-title = We'll be right back
error-503-sentence = The ticket office can't answer at this moment. Reservations already made are safe.
retry-seconds =
    { $count ->
        [one] Try again in 1 second.
       *[other] Try again in { $shown } seconds.
    }
retry-minutes =
    { $count ->
        [one] Try again in 1 minute.
       *[other] Try again in { $shown } minutes.
    }
request-id = If you write to us, mention this number:

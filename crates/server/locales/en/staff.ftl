## The frame of the pages for staff

staff-sections = Sections
staff-home = Overview
staff-home-link = stagedoor for staff, overview
staff-account = My account
staff-sign-out = Sign out
staff-to-shop = To the shop
staff-role = Role
staff-role-superadmin = Superadmin
staff-role-admin = Admin
staff-role-moderator = Moderator
staff-errors = Please check
staff-filters = Filters
staff-refused = That isn't possible
staff-back = Back
staff-error-404-sentence = The address may be mistyped, or what was here is deleted.
staff-error-next = To the overview

## Signing in

staff-sign-in-title = Staff sign-in
staff-not-signed-in = You aren't signed in
staff-code = Code of your second factor
staff-code-hint = Leave it empty if you have none. A recovery code works, too.
staff-code-missing = This account has a second factor. Type the password again, and a code.
staff-sign-in-wrong = Name, password or code is wrong. Check them and try again.
staff-sign-in-locked = Too many sign-ins failed.
staff-forgotten = Forgotten your password? A superadmin gives you a new one.

## The overview

staff-needs-title = Needs you
staff-needs-refunds =
    { $count ->
        [one] One refund can't go back without help.
       *[other] { $shown } refunds can't go back without help.
    }
staff-needs-jobs =
    { $count ->
        [one] One background job was given up: stagedoor doctor says what to do.
       *[other] { $shown } background jobs were given up: stagedoor doctor says what to do.
    }
staff-sold-today = Tickets sold today
staff-money-today = Money of today’s sales
staff-held-now = Tickets held now
staff-on-sale = On sale
staff-none-on-sale = No concert is on sale.
staff-on-sale-cut = Only { $shown } of them are shown here.
staff-on-sale-all = All concerts on sale
staff-concert = Concert
staff-sold-held = Sold and held
staff-taken = { $shown } of { $total }

## Fields of forms

field-required = This is needed.
field-range = Enter a number from { $from } to { $to }.
field-below-taken = It must be at least { $least }: { $sold } are sold and { $held } held.
field-long = This is too long. Shorten it.
field-short = This is too short.
field-characters = It contains characters that can't be shown. Type it again.
field-path = Enter the path of a picture on this site, such as /assets/posters/name.svg.
field-invalid = This can't be used. Check how it is written.

## One's own account

account-password = Password
account-password-hint = Changing it ends all your other sessions.
account-current = Current password
account-new = New password
account-password-submit = Change the password
account-wrong-password = That isn't your current password.
account-factor = Second factor
account-factor-on = Signing in asks for a code as well.
account-factor-off = Signing in asks for the password alone. A code from your phone keeps out whoever has guessed or seen it.
account-factor-begin = Set up a second factor
account-factor-end = Turn the second factor off
account-factor-scan = Scan this with an authenticator app.
account-factor-qr = QR code with the secret for an authenticator app
account-factor-type = Or type this into it:
account-factor-code = Code that the app shows now
account-factor-confirm = Turn it on
account-wrong-code = That code was wrong or too late. Begin again.
account-no-key = This server has no secret key that lasts, so a second factor would shut you out after its next start. Let its operator set STAGEDOOR_SECRET_KEY first.
account-codes-title = Your recovery codes
account-codes-sentence = The second factor is on. Each of these codes works once in place of one from your phone. They aren't shown again: print them, or keep them where you keep passwords.
account-codes-kept = I have kept them
said-password-changed = Your password was changed, and your other sessions have ended.
said-factor-off = The second factor is off, and your other sessions have ended.
said-factor-on-already = The second factor is on already.

## Choosing one of many, by number or name

choice-no-concert = No concert has “{ $name }” in its artist or name. Type a part of it, or the concert’s number.
choice-no-account = No account has “{ $name }” in its name. Type a part of it, or the account’s number.
choice-several = “{ $name }” may be one of several: { $names }. Type the number of the one you mean.
choice-many = “{ $name }” may be one of many, such as: { $names }. Type more of the name, or the number of the one you mean.

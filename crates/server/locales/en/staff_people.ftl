## People

staff-users = Accounts
account-state = State
account-active = active
account-inactive = disabled
account-with-factor = with a second factor
account-last-login = Last sign-in
account-acts = Acts
account-change = Change { $name }
account-role-submit = Give this role
account-password-give = Give this password
account-factor-forget = Take the second factor away
account-sessions-end = End all sessions
account-disable = Disable
account-enable = Enable
account-delete = Delete
account-delete-hint = A deleted account can't come back, and its name stays taken: the audit log speaks of it.
account-new-title = New account
account-role-hint = Moderators read, cancel, resend and check tickets. Admins do everything else but accounts. Superadmins do everything.
account-make = Make the account
account-choose-role = Choose a role.
account-last = This is the last active superadmin, without whom nobody could make accounts. Make another one first.
account-own = Change your own password and second factor under My account, where you are asked for the current password.
said-account-made = The account was made. Hand its password over in person; whoever gets it changes it under My account.
said-account-role = The role was changed, and the account's sessions have ended.
said-account-password = The password was changed, and the account's sessions have ended.
said-account-factor = The second factor was taken away, and the account's sessions have ended.
said-account-disabled = The account is disabled, and its sessions have ended.
said-account-enabled = The account is active again.
said-account-sessions = The account's sessions have ended.
said-account-deleted = The account was deleted.

## Mails

staff-mails = Mails
staff-all = all
staff-filter = Show
mails-hint = Kept for 90 days. What was given up is sent anew from here, once the cause is mended.
mails-none = There are no such mails.
mails-kind = About
mails-at = When
mails-retry = Try again
mail-not-dead = This mail wasn't given up, so there is nothing to try again.
mail-status-pending = waiting
mail-status-sent = sent
mail-status-kept = kept, as there is no mail server
mail-status-dead = given up
mail-kind-confirmed = tickets
mail-kind-cancelled = cancelled
mail-kind-refunded = money went back
mail-kind-payment-failed = payment failed
mail-kind-sign-in = sign-in link
said-mail-retried = The mail is tried again.

## The audit log

staff-audit = Audit log
audit-sealed = Every row is sealed.
audit-no-seals = No row is sealed: this server has no secret key that lasts.
audit-unsealed =
    { $count ->
        [one] The rows of the last second wait for their seal.
       *[other] The rows of the last { $shown } seconds wait for their seal.
    }
audit-verify = Nobody can change a sealed row unnoticed: stagedoor audit verify proves it for the whole log.
audit-table = Table
audit-action = Action
audit-record = Record
audit-user = Account (number or name)
audit-people = People’s acts only, without what the system does by itself
audit-from = From
audit-to = To
audit-none = There are no such changes.
audit-who = Who
audit-changes = What
audit-fields =
    { $count ->
        [one] one field
       *[other] { $shown } fields
    }
audit-field = Field
audit-before = Before
audit-after = After
audit-request = Request
audit-older = Older

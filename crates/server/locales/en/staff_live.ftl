## The live view of a sale

sl-link = Watch the sale live
sl-title = The sale, live
sl-refresh = Show current figures
sl-pause = Pause
sl-reload = Load the page again
sl-lost = Nothing new comes in: the connection is lost, or your session has ended.
sl-stale = The database doesn't answer. Tickets and payments are as they were last read; new figures come by themselves.
sl-stock = Tickets and payments, of all servers
sl-read-at = As of
sl-sold = Sold
sl-held = Held
sl-left = Tickets left
sl-total = Tickets in all
sl-payments = Payments undecided
sl-server = Requests of buyers, of this server alone
sl-server-hint = Where several servers sell, each shows its own. Rates are those of the last five seconds, a second.
sl-waiting = Waiting for an answer
sl-admitted = Reservations made
sl-sold-out = Refused, sold out
sl-limit = Refused, over a limit
sl-overloaded = Refused, overloaded
sl-failed = Failed
sl-minutes = The last five minutes
sl-taken-curve = Sold and held together, out of all tickets
sl-rate-curve = Reservations made a second, of this server
sl-ago = Five minutes ago
sl-now = Now
sl-table = The same as a table
sl-until = Thirty seconds until
sl-taken = Sold and held
sl-made = Reservations made

## Importing concerts

si-link = Import concerts
si-title = Import concerts
si-sentence = A file makes all of its concerts, or none. You see first what it would make.
si-template = Template with the columns and one example (CSV)
si-file = File
si-file-hint = CSV or JSON in UTF-8, at most 2 MB and 10,000 concerts. In a spreadsheet choose “CSV UTF-8”.
si-text = Or paste its content
si-text-hint = The first line names the columns: name, artist, date, venue, total_tickets, price; status, image_url and description may be left out.
si-look = Preview
si-nothing = Choose a file or paste its content first.
si-both = Choose either a file or pasted content; both came.
si-bytes = The file is larger than 2 MB. Split it into several.
si-encoding = The file isn't UTF-8. Save it again as “CSV UTF-8”.
si-all-exist = All of these concerts are there already: same name, artist, day and venue. Nothing was imported.
si-broken = What was previewed came back damaged. Choose the file again.
si-wrong =
    { $count ->
        [one] One thing is wrong with it. Nothing was imported.
       *[other] { $shown } things are wrong with it. Nothing was imported.
    }
si-wrong-first = The first { $shown } of them:
si-whole = The whole file
si-row = Row
si-column = Column
si-why = What is wrong
si-preview = Preview
si-would-make =
    { $count ->
        [one] One concert would be made. Nothing is made yet.
       *[other] { $shown } concerts would be made. Nothing is made yet.
    }
si-row-over = in the past
si-over =
    { $count ->
        [one] One of them has a day that is over. Nothing of a concert can be sold after its day.
       *[other] { $shown } of them have a day that is over. Nothing of a concert can be sold after its day.
    }
si-over-confirm = Yes, make them all the same
si-shown-first = The first { $shown } of them are shown.
si-submit =
    { $count ->
        [one] Make this concert
       *[other] Make these { $shown } concerts
    }
si-another = Choose another file
said-concerts-imported = The concerts are made.
said-concerts-imported-before = These concerts were made by this file before. Nothing was made twice.

## Why a row is refused

si-no-rows = No concerts are in it; each needs a row.
si-many-rows = It has { $shown } concerts. Split it into files of up to { $to }.
si-missing-column = The first line must name the columns, and { $name } is missing.
si-many-columns = It has more than { $to } columns.
si-long-column = No column has such a name: one has at most { $to } characters.
si-csv = It can't be read as CSV: { $name }
si-json = It is no JSON array of objects: { $name }
si-day = It must be a day like 2027-01-31.
si-capacity = It must be a whole number from 0 to { $to }.
si-money = It must be an amount like 1250.00.
si-status = It must be open, closed or archived.
si-unknown = There is no such column. There are: { $name }.
si-near = There is no such column. Did you mean { $name }?
si-exists = There is such a concert already: same name, artist, day and venue.
si-repeats = It is the same concert as in row { $number }.

## Reports

rp-title = Reports
rp-filter = Days and concert of the report
rp-from = First day
rp-to = Last day
rp-show = Show
rp-counts = A reservation counts for the day on which it was made, as it stands now.
rp-days-reversed = The last day is before the first. Choose it or a later one.
rp-days-many = A report has { $days } days at most. Choose a later first day, or an earlier last one.
rp-table = The same as a table
rp-chart-cut = The chart shows the first { $shown } of { $total }.
rp-chart-rest = All of them are in the table.
rp-cut = The concerts that sold least are left out. Choose fewer days, or one concert, to see them.
rp-day = Day
rp-made = Reservations
rp-made-all = Reservations made
rp-amount = Amount
rp-revenue = Revenue
rp-tickets-sold = Tickets sold
rp-given-back = Given back or on its way
rp-given-back-count = Given back or on its way
rp-sales = Sales per day
rp-sales-sentence = { $tickets } tickets were sold for { $amount }.
rp-fill = How full concerts are
rp-fill-sentence =
    { $count ->
        [0] Nothing was reserved on these days.
        [one] Tickets of one concert that are sold or held now, of all it has.
       *[other] Tickets of { $shown } concerts that are sold or held now, of all they have. Those that sold most come first.
    }
rp-fill-rate = Full
rp-taken = Sold and held now
rp-by-state = Money by state
rp-revenue-sentence = What was reserved is worth { $amount } in all.
rp-completed = Sold and paid
rp-free = Sold for nothing
rp-pending = Waiting for money
rp-refunding = On its way back
rp-refunded = Given back
rp-lapsed = Never paid
rp-hold-to-paid = Holds that were paid
rp-paid-sentence = { $paid } of { $ended } holds that came to an end were paid: { $rate }.
rp-hold = Holds
rp-paid = Paid
rp-not-paid = Not paid
rp-waiting = Still waiting
rp-rate = Share
rp-refunds = Refunds
rp-refunds-sentence = { $number } reservations of these days had their money given back, or will: { $amount }.
rp-sell-out = Time to sell out
rp-sell-out-sentence =
    { $count ->
        [0] None of the concerts is sold out.
        [one] One concert is sold out: from its first reservation to that of its last ticket.
       *[other] { $shown } concerts are sold out: from each one's first reservation to that of its last ticket.
    }
rp-sell-out-cut = Times are shown for the { $shown } that sold most.
rp-first = First reservation
rp-last = Last ticket
rp-took = Time
rp-days-hours = { $large } d { $small } h
rp-hours-minutes = { $large } h { $small } min
rp-minutes-seconds = { $large } min { $small } s

## Files to take away

ex-label = Take this list away
ex-csv = Export as CSV
ex-xlsx = Export as XLSX

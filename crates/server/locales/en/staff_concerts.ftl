## Concerts

sc-title = Concerts
sc-new = New concert
sc-edit = Edit the concert
sc-any = Any
sc-open = Open
sc-closed = Closed
sc-archived = Archived
sc-from = From
sc-to = To
sc-deleted = Deleted ones only
sc-none = No concert is like this.
sc-pages = Pages of the list
sc-first = To the first page
sc-total = Tickets in all
sc-sold = Sold
sc-held = Held
sc-in-shop = See it in the shop

## What becomes of one

sc-act-open = Open the sale
sc-act-close = Close the sale
sc-act-duplicate = Make another like it
sc-act-archive = Archive it…
sc-act-delete = Delete it…
sc-archive-sentence = It is gone from every page of the shop, for good. Reservations and their tickets stay as they are.
sc-archive-submit = Archive it for good
sc-delete-sentence = Nobody has tickets of it. The list shows it among the deleted ones, and it can't be brought back.
sc-delete-submit = Delete it for good
sc-is-archived = The concert is archived, which is final. Make another like it instead.
sc-cancelled-sentence = This concert was cancelled and won't go on sale again.
sc-cancelled-run = How far refunds and mails have come
sc-is-cancelled = The concert was cancelled, which is final. Make another like it instead.
sc-kept-for-refunds = The concert was cancelled, and its buyers' refunds must stay to be found. Archive it instead.
sc-money-open = A payment or refund of this concert is still under way. Wait for its end, or archive the concert.
sc-is-over = The concert's day is over, so nothing of it can be sold. Change its date first.
sc-has-reservations =
    { $count ->
        [one] One reservation has tickets of it. Cancel it first, or archive the concert.
       *[other] { $shown } reservations have tickets of it. Cancel them first, or archive the concert.
    }
said-concert-made = The concert is made. It is closed until you open its sale.
said-concert-saved = The concert is saved.
said-concert-opened = The sale is open.
said-concert-closed = The sale is closed.
said-concert-archived = The concert is archived.
said-concert-deleted = The concert is deleted.

## Its form

sc-artist = Artist
sc-name = Name of the concert
sc-price = Price of a ticket, all fees included
sc-price-hint = Such as 1250.00; 0.00 is free.
sc-image = Path of its picture
sc-image-hint = Leave it as it is: uploading a poster on the concert's page fills it in.
sc-about-hint = Plain text. An empty line begins a new paragraph.
sc-save = Save
sc-preview = Preview
sc-preview-title = Preview
sc-preview-hint = Nothing is saved yet. Buyers would see this:
sc-doubts = Is this meant?
sc-doubts-confirm = Yes, save it like this
sc-doubt-day = { $date } is over. Nothing of a concert can be sold after its day.
sc-doubt-price = The price changes from { $from } to { $to }. Whoever has tickets or holds some keeps the price of then: { $tickets }. Whoever reserves after this pays the new one.
sc-doubt-taken =
    { $count ->
        [one] one ticket
       *[other] { $shown } tickets
    }
sc-conflict = Somebody else has edited this concert
sc-conflict-who = { $name } saved another version on { $time }.
sc-conflict-sentence = Nothing of yours is saved yet. Compare the fields that differ, and choose.
sc-moment = { $date } at { $time }
sc-field = Field
sc-theirs = Saved now
sc-mine = Yours
sc-take-mine = Save mine over it
sc-take-theirs = Leave theirs and edit it

## Its poster

sc-poster = Poster
sc-poster-none = It has none of its own; the shop shows the house's.
sc-poster-file = Picture for the poster
sc-poster-hint = A JPEG, PNG or WebP of at most 8 MB, upright, at least 360 pixels wide, best 1200. Where it was taken and what else is in the file is left out.
sc-poster-submit = Upload the poster
sc-poster-empty = Choose a picture first; nothing came, or the file is empty.
sc-poster-bytes = The picture is larger than 8 MB. Make it smaller, 1200 pixels wide are enough.
sc-poster-kind = This is no JPEG, PNG or WebP, whatever its name says. Save it as a JPEG.
sc-poster-truncated = Only a part of the picture came. Check that it opens on your computer, and upload it again.
sc-poster-behind = Something else stands in the file behind the picture. Save it anew as a plain JPEG.
sc-poster-large = The picture has too many pixels. Make it smaller, 1200 pixels wide are enough.
sc-poster-small = The picture is too small: it needs at least 360 pixels on each side.
sc-poster-broken = The picture can't be read. Save it anew as a plain JPEG.
said-poster-set = The concert has its new poster.

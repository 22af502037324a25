-- What no migration may do, because it would keep sales waiting until its transaction ends. `migrate`
-- runs these statements after the migrations, each alone and outside any transaction; run again, they
-- change nothing.

ALTER TABLE public.payments VALIDATE CONSTRAINT payments_refund_reason_check;
ALTER TABLE public.payments VALIDATE CONSTRAINT payments_refund_note_check;

-- Where the operators of the index below are: somebody may have installed them before.
SELECT set_config('search_path', quote_ident(n.nspname), false)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_trgm';

-- What comes new waits in a list, so that a sale isn't kept waiting; the list is put in order beside
-- the sale, by tidy_reservation_search. 128 MB are more than a minute of the greatest rush.
CREATE INDEX CONCURRENTLY IF NOT EXISTS reservations_search_idx ON public.reservations
    USING gin (customer_name gin_trgm_ops, customer_email gin_trgm_ops)
    WITH (fastupdate = on, gin_pending_list_limit = 131072);

RESET search_path;

-- What cancelling a concert leaves to be paid back by hand, without a look at each of its payments.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_by_hand_idx ON public.payments (reservation_id)
    WHERE provider = 'manual' AND status = 'completed';

-- What people did to concerts, among what sales did: those change a concert with every batch.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_logs_concerts_idx ON public.audit_logs (created_at, id)
    WHERE table_name = 'concerts' AND actor_kind NOT IN ('system', 'job');

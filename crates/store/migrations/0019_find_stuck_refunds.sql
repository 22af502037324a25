-- Money that must go back and can't without somebody's help is looked for among all payments.
CREATE INDEX payments_refund_error_idx ON payments (updated_at) WHERE refund_error IS NOT NULL;

-- Where a buyer goes who leaves the make-believe provider without a choice; orders of a program that
-- doesn't know it yet lead to the concerts.
ALTER TABLE sandbox_orders ADD COLUMN cancel_url TEXT NOT NULL DEFAULT '/';

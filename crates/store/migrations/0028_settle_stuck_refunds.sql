-- Staff settle a refund that no provider will ever send: they say how the money went back instead. What a
-- provider said in words at each try is kept, so that they can see why it is stuck.
-- A server of the version before needs none of it; it shows what was settled as paid back.

ALTER TABLE payments ADD COLUMN refund_note TEXT;
-- No row has one yet; after_migrations.sql says so to PostgreSQL, without a sale that waits while it looks.
ALTER TABLE payments ADD CONSTRAINT payments_refund_note_check
    CHECK (char_length(refund_note) BETWEEN 1 AND 500) NOT VALID;
COMMENT ON COLUMN payments.refund_note IS
    'how staff paid it back another way, in their words; NULL where they didn''t';

ALTER TABLE payment_events ADD COLUMN words VARCHAR(500);
COMMENT ON TABLE payment_events IS
    'What providers told, each once, and how staff settled what they didn''t do; but for an erasure never changed.';
COMMENT ON COLUMN payment_events.news IS
    'paid, failed, refunded, refund_moved, refund_failed, refund_refused, settled or disputed';
COMMENT ON COLUMN payment_events.consequence IS
    'nothing, unknown, confirmed, given_back, failed, refunded, asked, reported, paid_twice';
COMMENT ON COLUMN payment_events.words IS 'why it can''t send money back, as it said itself';

-- As before, and what staff noted of a refund, which is lost whatever it says.
CREATE OR REPLACE FUNCTION erased_values(held jsonb, of_email text, names text[], pseudonym text, of_key text)
RETURNS jsonb LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    words text := lower(held #>> '{}');
    erased jsonb := '"erased"';
BEGIN
    CASE jsonb_typeof(held)
        WHEN 'object' THEN
            RETURN (SELECT coalesce(jsonb_object_agg(key, public.erased_values(
                               value, of_email, names, pseudonym, key)), '{}')
                    FROM jsonb_each(held));
        WHEN 'array' THEN
            RETURN (SELECT coalesce(jsonb_agg(public.erased_values(
                               value, of_email, names, pseudonym, of_key) ORDER BY at), '[]')
                    FROM jsonb_array_elements(held) WITH ORDINALITY AS items (value, at));
        WHEN 'string' THEN
            IF of_key = 'refund_note' THEN
                RETURN erased;
            ELSIF words = of_email THEN
                RETURN to_jsonb(pseudonym);
            ELSIF position(of_email IN words) > 0 THEN
                RETURN erased;
            ELSIF of_key = 'client_ip' THEN
                RETURN 'null';
            ELSIF of_key IN ('customer_name', 'name', 'q', 'text') AND words = ANY (names) THEN
                RETURN erased;
            ELSIF of_key = 'q' AND public.names_customer(words, of_email, names) THEN
                RETURN erased;
            ELSIF of_key IN ('last_error', 'refund_error')
                  AND EXISTS (SELECT FROM unnest(names) AS name WHERE position(name IN words) > 0) THEN
                RETURN erased;
            END IF;
            RETURN held;
        ELSE
            RETURN held;
    END CASE;
END
$$;

-- As before, and notes of refunds, and what providers said.
CREATE OR REPLACE FUNCTION erase_customer(
    of_ids text[], of_email text, as_pseudonym text, at timestamp
) RETURNS TABLE (erasure_id bigint, log_row integer, rows_blanked integer[], digests_before bytea,
                 digests_after bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    who record;
    names text[];
    own_ids text[];
    payment_ids text[];
    mail_ids text[];
    touched bigint;
    gone bigint := 0;
    account_ids text[] := '{}';
    identity_ids text[] := '{}';
BEGIN
    SELECT * INTO who FROM public.audit_actor();
    IF of_email LIKE '%@%.%' AND of_email = lower(of_email)
       AND as_pseudonym ~ '^erased-[0-9a-f]{32}@invalid$' THEN
        NULL;
    ELSE
        RAISE EXCEPTION 'no erasure: an e-mail address, and a pseudonym for it'
            USING ERRCODE = 'check_violation';
    END IF;
    IF who.kind = 'customer'
       AND of_email IS DISTINCT FROM current_setting('stagedoor.actor', true) THEN
        RAISE EXCEPTION 'customers erase nobody but themselves'
            USING ERRCODE = 'insufficient_privilege';
    END IF;

    own_ids := ARRAY(SELECT r.id FROM public.reservations r
                     WHERE r.id = ANY (of_ids) AND r.customer_email = of_email);
    payment_ids := ARRAY(SELECT p.id FROM public.payments p WHERE p.reservation_id = ANY (own_ids));
    mail_ids := ARRAY(SELECT m.id FROM public.mails m
                      WHERE m.reservation_id = ANY (own_ids)
                         OR (m.reservation_id IS NULL AND m.recipient = of_email));
    names := ARRAY(
        SELECT DISTINCT lower(held.name)
        FROM (SELECT r.customer_name AS name FROM public.reservations r WHERE r.id = ANY (own_ids)
              UNION ALL
              SELECT told.held ->> 'customer_name'
              FROM public.audit_logs l, unnest(ARRAY[l.old_values, l.new_values]) AS told (held)
              WHERE l.record_id = ANY (own_ids) AND l.table_name = 'reservations') AS held
        WHERE held.name IS NOT NULL);

    -- The same request, repeated, is another one from now on: its receipt knows the values no more.
    -- Receipts are kept for a day.
    IF EXISTS (SELECT FROM public.reservations r
               WHERE r.id = ANY (own_ids) AND r.created_at > at - interval '25 hours') THEN
        UPDATE public.admission_receipts a SET values_digest = decode(repeat('00', 16), 'hex')
        WHERE a.reservation_id = ANY (own_ids);
    END IF;
    UPDATE public.payments p
    SET redirect_url = NULL, updated_at = at,
        refund_note = public.erased_values(to_jsonb(p.refund_note), of_email, names, as_pseudonym,
                                           'refund_note') #>> '{}',
        refund_error = public.erased_values(to_jsonb(p.refund_error), of_email, names, as_pseudonym,
                                            'refund_error') #>> '{}'
    WHERE p.id = ANY (payment_ids)
      AND (p.redirect_url IS NOT NULL OR p.refund_error IS NOT NULL OR p.refund_note IS NOT NULL);
    UPDATE public.payment_events e
    SET words = public.erased_values(to_jsonb(e.words), of_email, names, as_pseudonym,
                                     'refund_error') #>> '{}'
    WHERE e.payment_id = ANY (payment_ids) AND e.words IS NOT NULL;
    DELETE FROM public.mails m WHERE m.id = ANY (mail_ids) AND m.status IN ('pending', 'dead');
    UPDATE public.mails m SET recipient = as_pseudonym, last_error = NULL, updated_at = at
    WHERE m.id = ANY (mail_ids);
    UPDATE public.jobs j
    SET last_error = public.erased_values(to_jsonb(j.last_error), of_email, names, as_pseudonym,
                                          'last_error') #>> '{}'
    WHERE j.last_error IS NOT NULL
      AND (position(of_email IN lower(j.last_error)) > 0
           OR j.payload ->> 'mail' = ANY (mail_ids) OR j.payload ->> 'payment' = ANY (payment_ids));
    UPDATE public.reservations r
    SET customer_name = 'erased', customer_email = as_pseudonym, client_ip = NULL, updated_at = at
    WHERE r.id = ANY (own_ids);

    -- Accounts, with their sessions and identities, and links by mail; where customers can sign in.
    account_ids := ARRAY(SELECT c.id::text FROM public.customers c WHERE c.email = of_email);
    identity_ids := ARRAY(SELECT i.id::text FROM public.customer_identities i
                          WHERE i.customer_id::text = ANY (account_ids));
    DELETE FROM public.customer_links k WHERE k.email = of_email;
    DELETE FROM public.customers c WHERE c.email = of_email;
    GET DIAGNOSTICS gone = ROW_COUNT;

    -- Their rows of the log, and exports that were asked for by the address or by a name. Rows of this
    -- transaction nobody has seen yet, so that of them nothing needs to be proven.
    WITH subject (table_name, record_id) AS (
        SELECT 'reservations', unnest(own_ids)
        UNION ALL SELECT 'payments', unnest(payment_ids)
        UNION ALL SELECT 'mails', unnest(mail_ids)
        UNION ALL SELECT 'customers', unnest(account_ids)
        UNION ALL SELECT 'customer_identities', unnest(identity_ids)
        UNION ALL SELECT 'tickets', t.id::text FROM public.tickets t
                  WHERE t.reservation_id = ANY (own_ids)
    ), own AS MATERIALIZED (
        SELECT l.id, l.tx, l.request_id FROM public.audit_logs l
        JOIN subject s ON s.record_id = l.record_id AND s.table_name = l.table_name
    ), found AS (
        SELECT o.id FROM own o
        UNION
        -- What else they did with it, such as a concert's stock when they cancelled.
        SELECT l.id FROM own o JOIN public.audit_logs l ON l.tx = o.tx
        WHERE o.tx <> '0' AND (l.actor_kind = 'holder' AND l.actor = ANY (own_ids)
                               OR l.actor_kind = 'customer' AND l.request_id = o.request_id)
        UNION
        SELECT l.id FROM public.audit_logs l
        WHERE l.action = 'EXPORT'
          AND (l.new_values ->> 'customer_email' = of_email
               OR public.names_customer(l.new_values ->> 'q', of_email, names))
    ), blank AS MATERIALIZED (
        SELECT l.id, l.tx, public.audit_digest(l) AS before,
               public.erased_values(l.old_values, of_email, names, as_pseudonym, '') AS olds,
               public.erased_values(l.new_values, of_email, names, as_pseudonym, '') AS news,
               -- The product itself notes where who signs in comes from.
               CASE WHEN l.actor_kind IN ('holder', 'customer', 'system')
                    THEN NULL ELSE l.ip_address END AS address
        FROM found JOIN public.audit_logs l ON l.id = found.id
    ), changed AS (
        UPDATE public.audit_logs l
        SET old_values = b.olds, new_values = b.news, ip_address = b.address
        FROM blank b
        WHERE l.id = b.id
          AND (l.old_values IS DISTINCT FROM b.olds OR l.new_values IS DISTINCT FROM b.news
               OR l.ip_address IS DISTINCT FROM b.address)
        RETURNING l.id, b.tx, b.before, public.audit_digest(l) AS after
    )
    SELECT count(*),
           coalesce(array_agg(c.id ORDER BY c.id) FILTER (WHERE c.is_old), '{}'),
           coalesce(string_agg(c.before, ''::bytea ORDER BY c.id) FILTER (WHERE c.is_old), ''),
           coalesce(string_agg(c.after, ''::bytea ORDER BY c.id) FILTER (WHERE c.is_old), '')
    INTO touched, rows_blanked, digests_before, digests_after
    FROM (SELECT *, changed.tx <> pg_current_xact_id() AS is_old FROM changed) AS c;

    IF touched + gone + cardinality(own_ids) + cardinality(mail_ids) = 0 THEN
        RETURN;
    END IF;
    erasure_id := nextval(pg_get_serial_sequence('public.audit_erasures', 'id'));
    INSERT INTO public.audit_logs (user_id, action, table_name, record_id, new_values, ip_address,
                                   actor_kind, actor, request_id)
    VALUES (who.user_id, 'CREATE', 'audit_erasures', erasure_id::text,
            jsonb_build_object('pseudonym', as_pseudonym, 'reservations', cardinality(own_ids),
                               'payments', cardinality(payment_ids), 'mails', cardinality(mail_ids),
                               'audit_rows', cardinality(rows_blanked)),
            CASE WHEN who.kind <> 'customer' THEN who.address END, who.kind, who.actor,
            who.request_id)
    RETURNING id INTO log_row;
    INSERT INTO public.audit_erasures (id, pseudonym, log_id, row_ids, befores, afters, erased_at)
    OVERRIDING SYSTEM VALUE
    VALUES (erasure_id, as_pseudonym, log_row, rows_blanked, digests_before, digests_after, at);
    RETURN NEXT;
END
$$;

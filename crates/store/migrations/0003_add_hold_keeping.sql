-- What keeping holds needs: how often one was extended, and when the sweeper was last awake, so that
-- an outage doesn't cost buyers their holds. A server of the version before needs neither.

ALTER TABLE reservations
    ADD COLUMN extensions INTEGER,
    ADD CONSTRAINT reservations_extensions_check CHECK (extensions >= 0);
COMMENT ON COLUMN reservations.extensions IS 'how often the hold was extended; NULL for never';

CREATE TABLE heartbeats (
    task    VARCHAR(50) NOT NULL,
    beat_at TIMESTAMP   NOT NULL,
    CONSTRAINT heartbeats_pkey PRIMARY KEY (task),
    CONSTRAINT heartbeats_task_check CHECK (task <> '')
) WITH (fillfactor = 50);
-- fillfactor 50: one row that is updated in place (HOT) every few seconds.
COMMENT ON TABLE heartbeats IS 'when a task that must not rest for long was last awake';

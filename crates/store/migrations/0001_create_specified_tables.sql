-- The four tables of the database architecture: columns, types and index names to the letter.
-- TIMESTAMP columns hold UTC; every connection runs with timezone = 'UTC'.
-- Every constraint has a name, so that its violation can be told apart and answered.

CREATE TABLE concerts (
    id                SERIAL,
    name              VARCHAR(255)  NOT NULL,
    artist            VARCHAR(255)  NOT NULL,
    date              DATE          NOT NULL,
    venue             VARCHAR(255)  NOT NULL,
    total_tickets     INTEGER       NOT NULL,
    available_tickets INTEGER       NOT NULL,
    price             DECIMAL(10,2) NOT NULL,
    status            VARCHAR(50)   NOT NULL,
    image_url         TEXT,
    description       TEXT,
    created_at        TIMESTAMP     NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    updated_at        TIMESTAMP     NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    deleted_at        TIMESTAMP,
    CONSTRAINT concerts_pkey PRIMARY KEY (id),
    CONSTRAINT concerts_name_check CHECK (name <> ''),
    CONSTRAINT concerts_artist_check CHECK (artist <> ''),
    CONSTRAINT concerts_venue_check CHECK (venue <> ''),
    CONSTRAINT concerts_total_tickets_check CHECK (total_tickets >= 0),
    CONSTRAINT concerts_available_tickets_check
        CHECK (available_tickets BETWEEN 0 AND total_tickets),
    CONSTRAINT concerts_price_check CHECK (price >= 0),
    CONSTRAINT concerts_status_check CHECK (status IN ('open', 'closed', 'archived'))
) WITH (fillfactor = 50);
-- fillfactor 50: the hot row of a sale is updated in place (HOT) again and again.

CREATE TABLE reservations (
    id             VARCHAR(50)   NOT NULL,
    concert_id     INTEGER       NOT NULL,
    customer_name  VARCHAR(255)  NOT NULL,
    customer_email VARCHAR(255)  NOT NULL,
    quantity       INTEGER       NOT NULL,
    total_price    DECIMAL(10,2) NOT NULL,
    status         VARCHAR(50)   NOT NULL DEFAULT 'pending',
    google_auth    BOOLEAN       NOT NULL DEFAULT false,
    payment_status VARCHAR(50)   NOT NULL DEFAULT 'pending',
    reserved_at    TIMESTAMP     NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    created_at     TIMESTAMP     NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    updated_at     TIMESTAMP     NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    deleted_at     TIMESTAMP,
    expires_at     TIMESTAMP,
    client_ip      VARCHAR(45),
    CONSTRAINT reservations_pkey PRIMARY KEY (id),
    CONSTRAINT reservations_concert_id_fkey FOREIGN KEY (concert_id) REFERENCES concerts (id),
    CONSTRAINT reservations_id_check CHECK (id <> ''),
    CONSTRAINT reservations_customer_name_check CHECK (customer_name <> ''),
    CONSTRAINT reservations_customer_email_check CHECK (customer_email <> ''),
    CONSTRAINT reservations_quantity_check CHECK (quantity > 0),
    CONSTRAINT reservations_total_price_check CHECK (total_price >= 0),
    CONSTRAINT reservations_status_check
        CHECK (status IN ('confirmed', 'cancelled', 'pending', 'expired')),
    CONSTRAINT reservations_payment_status_check
        CHECK (payment_status IN ('pending', 'completed', 'failed', 'refunded'))
);

CREATE TABLE admin_users (
    id         SERIAL,
    username   VARCHAR(100) NOT NULL,
    password   VARCHAR(255) NOT NULL,
    email      VARCHAR(255) NOT NULL,
    role       VARCHAR(50)  NOT NULL,
    is_active  BOOLEAN      NOT NULL DEFAULT true,
    last_login TIMESTAMP,
    created_at TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    updated_at TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    deleted_at TIMESTAMP,
    CONSTRAINT admin_users_pkey PRIMARY KEY (id),
    CONSTRAINT admin_users_username_key UNIQUE (username),
    CONSTRAINT admin_users_email_key UNIQUE (email),
    CONSTRAINT admin_users_username_check CHECK (username <> ''),
    CONSTRAINT admin_users_password_check CHECK (password <> ''),
    CONSTRAINT admin_users_email_check CHECK (email <> ''),
    CONSTRAINT admin_users_role_check CHECK (role IN ('admin', 'superadmin', 'moderator'))
);

CREATE TABLE audit_logs (
    id         SERIAL,
    user_id    INTEGER,
    action     VARCHAR(255) NOT NULL,
    table_name VARCHAR(100) NOT NULL,
    record_id  VARCHAR(50),
    old_values JSONB,
    new_values JSONB,
    ip_address VARCHAR(45),
    created_at TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    CONSTRAINT audit_logs_pkey PRIMARY KEY (id),
    CONSTRAINT audit_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES admin_users (id),
    CONSTRAINT audit_logs_action_check CHECK (action IN ('CREATE', 'UPDATE', 'DELETE', 'EXPORT'))
);

-- The specification names the indexes and their purpose; the columns are chosen for that purpose.
-- Listing open concerts by date, and closed ones by date.
CREATE INDEX idx_concerts_status ON concerts (status, date, id);
-- Chronological lists without a status.
CREATE INDEX idx_concerts_date ON concerts (date, id);
-- A customer's reservations, newest first, without a sort; what a customer holds of one concert.
CREATE INDEX idx_reservations_email ON reservations (customer_email, created_at DESC);
-- Counting a concert's reservations by status from the index alone.
CREATE INDEX idx_reservations_concert ON reservations (concert_id, status);
-- Reservations in one status; pending ones by the end of their hold.
CREATE INDEX idx_reservations_status ON reservations (status, expires_at);
-- Reports and lists by time.
CREATE INDEX idx_reservations_created ON reservations (created_at);
-- Staff sign-in.
CREATE INDEX idx_admin_users_username ON admin_users (username);
-- The audit trail by time.
CREATE INDEX idx_audit_logs_created ON audit_logs (created_at);

//! One private cluster for the run, one migrated template database, one database for each test.

mod app;
pub(crate) mod backup_lab;
pub(crate) mod chaos_proxy;
mod cluster;
pub(crate) mod customers;
pub(crate) mod dice;
pub(crate) mod fake_stripe;
pub(crate) mod fault_proxy;
pub(crate) mod own_cluster;
pub(crate) mod paid;
pub(crate) mod program;
pub(crate) mod reported;
mod signed_in;
pub(crate) mod slow_proxy;
pub(crate) mod small_disk;
pub(crate) mod smtp_server;
pub(crate) mod staff;
pub(crate) mod tls;
pub(crate) mod wait;
pub(crate) mod wire;
pub(crate) mod wishes;

pub(crate) use app::{NewConcert, Options, TestApp, clock, database_url, open_app, open_app_with};
pub(crate) use cluster::{
    APP, OWNER, PASSWORD, TestDatabase, cluster, connect, logins, plant_ten_tickets,
};

//! A standby is a copy that follows its primary, can take over, and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

#[allow(dead_code, reason = "the tests of clusters need the rest of it")]
mod support;

use postgres_local::{Cluster, Lifetime};
use support::{Folder, eventually, sql};

#[test]
fn a_standby_follows_its_primary_and_can_take_over() {
    let (folder, copy) = (Folder::new("primary"), Folder::new("standby"));
    let primary = Cluster::open(&folder.spec(Lifetime::Scratch)).unwrap();
    sql(&primary, "create table told as select 1 as step");
    // What is kept can't be a copy: the wish is overruled.
    let mut standby =
        Cluster::open_standby(&copy.spec(Lifetime::Kept), &primary, "second").unwrap();
    assert_eq!(sql(&standby, "select pg_is_in_recovery()"), "t");
    let named = "select application_name from pg_stat_replication";
    eventually("a standby that streams", || {
        sql(&primary, named) == "second"
    });
    sql(&primary, "insert into told values (2)");
    eventually("what was written", || {
        sql(&standby, "select sum(step) from told") == "3"
    });

    standby.stop().unwrap();
    sql(&primary, "insert into told values (4)");
    standby.start().unwrap();
    eventually("what was written meanwhile", || {
        sql(&standby, "select sum(step) from told") == "7"
    });

    drop(primary);
    sql(&standby, "select pg_promote()");
    sql(&standby, "insert into told values (8)");
    assert_eq!(sql(&standby, "select sum(step) from told"), "15");
    let data = standby.data_folder().to_owned();
    drop(standby);
    eventually("nothing left of it", || !data.exists());
}

//! Clusters with a real PostgreSQL: what they are like, and that no way out leaves anything behind.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

mod support;

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{self, Stdio},
    time::{Duration, Instant},
};

use postgres_local::{Cluster, ClusterError, Lifetime, Programs};

use support::{
    Folder, Holder, as_owner_of, children_of, eventually, hold, is_alive, is_root, ps, set, signal,
    sql, sql_at, write_as_owner_of,
};

fn answers(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[test]
#[ignore = "it is the other process of the tests that kill one"]
fn holder_for_other_tests() {
    hold();
}

#[test]
fn a_kept_cluster_keeps_its_data_password_and_port() {
    let folder = Folder::new("kept");
    let mut spec = folder.spec(Lifetime::Kept);
    set(&mut spec, "work_mem", "5MB");
    let begun = Instant::now();
    let cluster = Cluster::open(&spec).unwrap();
    eprintln!("first opening: {:?}", begun.elapsed());
    let (port, password) = (cluster.port(), cluster.superuser_password().to_owned());
    assert_ne!(port, 5432);
    assert_eq!(cluster.data_folder(), spec.folder.join("data"));
    sql(&cluster, "create table kept as select 42 as answer");
    let postmaster = cluster.postmaster().unwrap().unwrap();

    let error = Cluster::open(&spec).unwrap_err().to_string();
    assert!(
        error.contains(&format!("process {}", process::id())),
        "{error}"
    );

    drop(cluster);
    assert!(!is_alive(postmaster) && !answers(port));
    assert_eq!(
        children_of(process::id())
            .into_iter()
            .filter(|&c| ps(c, "args").contains("kept"))
            .count(),
        0
    );

    spec.settings.clear();
    set(&mut spec, "work_mem", "6MB");
    let begun = Instant::now();
    let cluster = Cluster::open(&spec).unwrap();
    let second = begun.elapsed();
    eprintln!("second opening: {second:?}");
    assert!(second < Duration::from_secs(2), "{second:?}");
    assert_eq!(
        (cluster.port(), cluster.superuser_password()),
        (port, password.as_str())
    );
    assert_eq!(
        sql(
            &cluster,
            "select answer, current_setting('work_mem') from kept"
        ),
        "42|6MB"
    );
    drop(cluster);

    let _usurper = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let cluster = Cluster::open(&spec).unwrap();
    assert_ne!(cluster.port(), port);
    assert_eq!(sql(&cluster, "select answer from kept"), "42");
    drop(cluster);

    spec.lifetime = Lifetime::Scratch;
    assert!(matches!(
        Cluster::open(&spec).unwrap_err(),
        ClusterError::KeptThere { .. }
    ));
    assert!(spec.folder.join("data/PG_VERSION").exists());
}

#[test]
fn a_cluster_is_private_durable_and_plain() {
    let folder = Folder::new("settings");
    let spec = folder.spec(Lifetime::Kept);
    let cluster = Cluster::open(&spec).unwrap();
    let shown = |name: &str| sql(&cluster, &format!("show {name}"));
    for (name, value) in [
        ("server_encoding", "UTF8"),
        ("lc_collate", "C.UTF-8"),
        ("data_checksums", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("password_encryption", "scram-sha-256"),
        ("max_connections", "100"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
    ] {
        // PostgreSQL 16 no longer shows it.
        let known = name != "lc_collate" || cluster.programs().major() < 16;
        assert!(!known || shown(name) == value, "{name}");
    }
    assert_eq!(
        sql(&cluster, "select rolname from pg_roles where rolcanlogin"),
        cluster.superuser()
    );
    assert_eq!(
        sql(
            &cluster,
            "select distinct auth_method from pg_hba_file_rules"
        ),
        "scram-sha-256"
    );

    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&spec.folder.join("superuser-password")), 0o600);
    assert_eq!(mode(cluster.data_folder()), 0o700);
    assert_eq!(
        fs::metadata(&spec.folder).unwrap().mode() & 0o022,
        0,
        "only we may change it"
    );
    let wrong = sql_at(
        &cluster,
        &cluster.url("postgres", "wrong", "postgres"),
        "select 1",
    );
    assert!(
        wrong
            .unwrap_err()
            .contains("password authentication failed")
    );

    sql(
        &cluster,
        r#"create role "o'dd@/:%é" login password 'p@ss/w:o%rd ?#'"#,
    );
    sql(&cluster, r#"create database "d/b ?""#);
    let url = cluster.url("o'dd@/:%é", "p@ss/w:o%rd ?#", "d/b ?");
    assert_eq!(
        sql_at(&cluster, &url, "select current_database()").unwrap(),
        "d/b ?"
    );

    // The server is out of reach of our terminal's signals.
    let postmaster = cluster.postmaster().unwrap().unwrap();
    assert_ne!(ps(postmaster, "sess"), ps(process::id(), "sess"));
    if is_root() {
        assert_ne!(ps(postmaster, "uid"), "0");
    }
}

#[test]
fn scratch_data_survive_stop_kill_and_crash_and_go_with_the_cluster() {
    let folder = Folder::new("scratch");
    let mut spec = folder.spec(Lifetime::Scratch);
    set(&mut spec, "fsync", "off");
    let mut cluster = Cluster::open(&spec).unwrap();
    let (port, log) = (cluster.port(), cluster.log_file());
    assert_eq!(sql(&cluster, "show fsync"), "off");
    sql(&cluster, "create table t as select 1 as n");

    cluster.stop().unwrap();
    cluster.stop().unwrap();
    assert!(cluster.postmaster().unwrap().is_none() && !answers(port));
    cluster.start().unwrap();
    cluster.start().unwrap();
    assert_eq!(
        (sql(&cluster, "select n from t").as_str(), cluster.port()),
        ("1", port)
    );

    let postmaster = cluster.postmaster().unwrap().unwrap();
    let mut all = children_of(postmaster);
    assert!(all.len() > 3, "{all:?}");
    all.push(postmaster);
    cluster.kill().unwrap();
    assert!(all.iter().all(|&pid| !is_alive(pid)));
    // As after a long time in operation.
    write_as_owner_of(log.parent().unwrap(), "server.log", &"x".repeat(11 << 20));
    cluster.start().unwrap();
    assert!(fs::metadata(&log).unwrap().len() < 1 << 20);
    assert_eq!(
        (sql(&cluster, "select n from t").as_str(), cluster.port()),
        ("1", port)
    );

    // A crash of the postmaster alone.
    let postmaster = cluster.postmaster().unwrap().unwrap();
    signal("KILL", &postmaster.to_string());
    eventually("postmaster dead", || !is_alive(postmaster));
    cluster.start().unwrap();
    assert_eq!(sql(&cluster, "select n from t"), "1");

    drop(cluster);
    assert!(!spec.folder.exists() && !answers(port));
}

#[test]
fn a_record_of_a_server_that_is_gone_does_not_hinder_a_start() {
    let folder = Folder::new("stale");
    let mut cluster = Cluster::open(&folder.spec(Lifetime::Scratch)).unwrap();
    let data = cluster.data_folder().to_owned();
    let recorded = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let (_, rest) = recorded.split_once('\n').unwrap();
    let rest = rest.to_owned();
    cluster.kill().unwrap();

    // The id belongs to another process of the same user by now, which PostgreSQL takes for a server.
    let mut other = as_owner_of(&data, "sleep").arg("60").spawn().unwrap();
    write_as_owner_of(&data, "postmaster.pid", &format!("{}\n{rest}", other.id()));
    let mut unaided = as_owner_of(&data, cluster.programs().path("pg_ctl").to_str().unwrap());
    unaided
        .args(["start", "-w", "-l", "/dev/null", "-D"])
        .arg(&data);
    assert!(
        !unaided
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    assert!(cluster.postmaster().unwrap().is_none());
    cluster.start().unwrap();
    sql(&cluster, "select 1");
    cluster.stop().unwrap();
    assert!(is_alive(other.id()));
    other.kill().unwrap();
    other.wait().unwrap();

    // Power cuts leave empty files.
    for text in ["", "\n\n", "nonsense\n"] {
        write_as_owner_of(&data, "postmaster.pid", text);
        cluster.start().unwrap();
        cluster.kill().unwrap();
    }
}

#[test]
fn a_killed_opener_takes_its_scratch_cluster_along() {
    let folder = Folder::new("killed-scratch");
    let spec = folder.spec(Lifetime::Scratch);
    let mut holder = Holder::new(&spec);
    assert!(is_alive(holder.postmaster) && spec.folder.exists());
    holder.kill();
    let begun = Instant::now();
    eventually("server stopped", || !is_alive(holder.postmaster));
    eventually("scratch data removed", || !spec.folder.exists());
    eprintln!("cleaned up {:?} after kill -9", begun.elapsed());
}

#[test]
fn a_killed_opener_leaves_a_kept_cluster_ready_to_open() {
    let folder = Folder::new("killed-kept");
    let spec = folder.spec(Lifetime::Kept);
    let mut holder = Holder::new(&spec);
    let error = Cluster::open(&spec).unwrap_err().to_string();
    assert!(
        error.contains(&format!("process {}", holder.id())),
        "{error}"
    );

    // At once, while the watchdog still works.
    holder.kill();
    let cluster = Cluster::open(&spec).unwrap();
    assert!(!is_alive(holder.postmaster));
    sql(&cluster, "create table t as select 1 as n");
    let log = fs::read_to_string(cluster.log_file()).unwrap();
    assert!(
        log.contains("database system is shut down"),
        "stopped cleanly:\n{log}"
    );
    assert!(!log.contains("recovery"), "stopped cleanly:\n{log}");
    drop(cluster);

    // The same with Ctrl-C at a terminal, to which everything in the foreground falls victim.
    let mut holder = Holder::new(&spec);
    let shells: Vec<_> = children_of(holder.id())
        .into_iter()
        .filter(|&pid| ps(pid, "args").contains("trap"))
        .collect();
    assert_eq!(shells.len(), 2);
    holder.interrupt();
    eventually("server stopped", || !is_alive(holder.postmaster));
    eventually("watchdog ended", || {
        !shells.iter().any(|&pid| is_alive(pid))
    });
    let cluster = Cluster::open(&spec).unwrap();
    assert_eq!(sql(&cluster, "select n from t"), "1");
    let log = fs::read_to_string(cluster.log_file()).unwrap();
    assert!(!log.contains("recovery"), "stopped cleanly:\n{log}");
}

#[test]
fn a_server_that_lost_opener_and_watchdog_is_replaced() {
    let folder = Folder::new("orphan");
    let mut spec = folder.spec(Lifetime::Kept);
    let mut holder = Holder::new(&spec);
    for shell in children_of(holder.id()) {
        signal("KILL", &shell.to_string());
    }
    holder.kill();
    // Nobody keeps the opener's output open: it ends though the server still runs.
    assert_eq!(holder.said.by_ref().count(), 0);
    assert!(is_alive(holder.postmaster));

    set(&mut spec, "work_mem", "7MB");
    let cluster = Cluster::open(&spec).unwrap();
    assert!(!is_alive(holder.postmaster));
    assert_eq!(sql(&cluster, "show work_mem"), "7MB");
}

#[test]
fn a_half_made_cluster_is_made_again() {
    let folder = Folder::new("half-made");
    let mut spec = folder.spec(Lifetime::Kept);
    let unfinished = spec.folder.join("data.unfinished");
    let mut holder = Holder::starting(&spec, &env::current_exe().unwrap(), None);
    eventually("initdb at work", || unfinished.join("PG_VERSION").exists());
    holder.kill();
    assert!(unfinished.exists() && !spec.folder.join("data").exists());

    let cluster = Cluster::open(&spec).unwrap();
    assert!(!unfinished.exists());
    sql(&cluster, "select 1");
    let data = cluster.data_folder().to_owned();
    drop(cluster);

    // A start that fails says why in the server's own words.
    set(&mut spec, "shared_buffers", "much");
    let error = Cluster::open(&spec).unwrap_err().to_string();
    assert!(
        error.contains("invalid value for parameter \"shared_buffers\": \"much\""),
        "{error}"
    );
    spec.settings.clear();

    let version = fs::read_to_string(data.join("PG_VERSION")).unwrap();
    write_as_owner_of(&data, "PG_VERSION", "12\n");
    let error = Cluster::open(&spec).unwrap_err().to_string();
    let (found, place) = (Programs::find(None).unwrap(), data.display().to_string());
    for part in ["PostgreSQL 12", found.version(), &place] {
        assert!(error.contains(part), "{part} in: {error}");
    }
    write_as_owner_of(&data, "PG_VERSION", &version);
    fs::remove_file(spec.folder.join("superuser-password")).unwrap();
    let error = Cluster::open(&spec).unwrap_err();
    assert!(matches!(error, ClusterError::Damaged { .. }), "{error}");
    assert!(data.join("PG_VERSION").exists());
}

#[test]
fn an_initdb_that_lost_opener_and_watchdog_is_ended() {
    let folder = Folder::new("lost-initdb");
    let spec = folder.spec(Lifetime::Kept);
    let mut holder = Holder::starting(&spec, &env::current_exe().unwrap(), None);
    let begun = spec.folder.join("data.unfinished/PG_VERSION");
    eventually("initdb at work", || begun.exists());
    let helpers = children_of(holder.id());
    let (initdb, shells): (Vec<_>, Vec<_>) = helpers
        .into_iter()
        .partition(|&pid| ps(pid, "comm") == "initdb");
    for pid in shells {
        signal("KILL", &pid.to_string());
    }
    assert_eq!(initdb.len(), 1);
    holder.kill();
    let cluster = Cluster::open(&spec).unwrap();
    assert!(!is_alive(initdb[0]));
    sql(&cluster, "select 1");
}

#[test]
fn scratch_data_that_were_left_behind_are_removed() {
    let folder = Folder::new("left-behind");
    let spec = folder.spec(Lifetime::Scratch);
    let mut holder = Holder::new(&spec);
    for shell in children_of(holder.id()) {
        signal("KILL", &shell.to_string());
    }
    holder.kill();
    assert!(is_alive(holder.postmaster));
    fs::write(spec.folder.join("data/left"), "behind").unwrap();

    let cluster = Cluster::open(&spec).unwrap();
    assert!(!is_alive(holder.postmaster));
    assert!(!cluster.data_folder().join("left").exists());
    drop(cluster);
    assert!(!spec.folder.exists());
}

#[test]
fn root_gets_a_system_folder_when_the_server_cannot_reach_the_wanted_one() {
    if !is_root() {
        return;
    }
    let folder = Folder::new("hidden");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let spec = folder.spec(Lifetime::Kept);
    let cluster = Cluster::open(&spec).unwrap();
    let data = cluster.data_folder().to_owned();
    let site = data.parent().unwrap().to_owned();
    assert!(!spec.folder.exists());
    assert!(
        site.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("postgres-local-")
    );
    assert_eq!(fs::metadata(&data).unwrap().mode() & 0o777, 0o700);
    sql(&cluster, "create table t as select 1 as n");
    drop(cluster);

    let cluster = Cluster::open(&spec).unwrap();
    assert_eq!(cluster.data_folder(), data);
    assert_eq!(sql(&cluster, "select n from t"), "1");
    drop(cluster);
    fs::remove_dir_all(site).unwrap();
}

const NOBODY: (u32, u32) = (65_534, 65_534);

#[test]
fn an_ordinary_user_runs_it_as_himself() {
    if !is_root() {
        return;
    }
    let folder = Folder::new("ordinary");
    std::os::unix::fs::chown(folder.path(), Some(NOBODY.0), Some(NOBODY.1)).unwrap();
    // The build's folder may be out of that user's reach.
    let binary = folder.path().join("holder");
    fs::copy(env::current_exe().unwrap(), &binary).unwrap();
    for lifetime in [Lifetime::Kept, Lifetime::Scratch] {
        let mut spec = folder.spec(lifetime);
        spec.folder = folder.path().join(format!("{lifetime:?}"));
        let (success, said) = Holder::starting(&spec, &binary, Some(NOBODY)).finish();
        assert!(success && said.contains("ready "), "{said}");
        assert_eq!(spec.folder.exists(), lifetime == Lifetime::Kept);
        if lifetime == Lifetime::Kept {
            assert_eq!(fs::metadata(&spec.folder).unwrap().mode() & 0o777, 0o700);
            assert_eq!(
                fs::metadata(spec.folder.join("data")).unwrap().uid(),
                NOBODY.0
            );
            let error = Cluster::open(&spec).unwrap_err();
            assert!(
                matches!(error, ClusterError::OtherOwner { owner: 65_534, .. }),
                "{error}"
            );
        }
    }
}

//! The packet filter that is shipped: nft takes it, and it lets in what it says and nothing else.

use std::process::{Command, Output};

const RULES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../ops/firewall/nftables.conf"
);

/// Runs a script as root of a network of its own, which ends with it; `None` where that can't be.
fn in_own_network(script: &str) -> Option<Output> {
    let made = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "/bin/sh",
            "-c",
            script,
        ])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("RULES", RULES)
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    let is_possible = !["unshare:", "nft: not found", "not permitted"]
        .iter()
        .any(|sign| said.contains(sign));
    if !is_possible {
        eprintln!("skip: no nft in a network of its own here: {}", said.trim());
    }
    is_possible.then_some(made)
}

#[test]
fn the_rules_are_valid_and_can_be_loaded_again_over_themselves() {
    let script =
        "nft -c -f \"$RULES\" && nft -f \"$RULES\" && nft -f \"$RULES\" && nft list ruleset";
    let Some(done) = in_own_network(script) else {
        return;
    };
    let listed = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(listed.matches("table inet stagedoor {").count(), 1);
    for hook in ["hook input", "hook forward"] {
        let dropping = format!("{hook} priority filter; policy drop;");
        assert!(listed.contains(&dropping), "{dropping}: {listed}");
    }
}

#[test]
fn every_port_but_the_shops_is_open_to_named_machines_alone() {
    let rules = std::fs::read_to_string(RULES).unwrap();
    let opening = rules
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("dport"));
    let mut ports = Vec::new();
    for line in opening {
        let (source, port) = line.split_once("tcp dport ").unwrap();
        let is_named = source.starts_with("ip saddr @") || source.starts_with("ip6 saddr @");
        assert!(is_named || port == "443 accept", "{line}");
        ports.push((source.contains("ip6"), port.to_owned()));
    }
    for port in [
        "22 accept",
        "9464 accept",
        "{ 5432, 8008 } accept",
        "{ 2379, 2380 } accept",
    ] {
        for is_ipv6 in [false, true] {
            assert!(ports.contains(&(is_ipv6, port.to_owned())), "{port}");
        }
    }
}

//! Scripts of others that are served.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// What the folder holds besides.
const OUR_OWN: [&str; 2] = ["README.md", "SHA256SUMS"];

#[test]
fn scripts_of_others_are_the_ones_that_were_vendored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/vendor");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let text = |name: &str| String::from_utf8(read(name)).unwrap();
    let (sums, readme) = (text("SHA256SUMS"), text("README.md"));
    let mut listed = BTreeSet::new();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let mut digest = String::new();
        for byte in Sha256::digest(read(name)) {
            write!(digest, "{byte:02x}").unwrap();
        }
        assert_eq!(digest, sum, "{name}");
        listed.insert(name.to_owned());
    }
    let there: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !OUR_OWN.contains(&&**name))
        .collect();
    assert_eq!(there, listed);
    for name in &there {
        assert!(readme.contains(&**name), "the README names {name}");
        let script = name.strip_suffix(".min.js");
        if let Some((script, version)) = script.and_then(|script| script.rsplit_once('-')) {
            assert!(readme.contains(&format!("{script} {version}")), "{name}");
            let licence = format!("{script}-{version}.LICENSE.txt");
            assert!(there.contains(&licence), "{name} comes with its licence");
        }
    }
}

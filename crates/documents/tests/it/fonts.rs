//! The vendored fonts.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

#[test]
fn fonts_are_the_ones_that_were_vendored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fonts");
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let mut checked = 0;
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let digest = Sha256::digest(fs::read(folder.join(name)).unwrap());
        let wanted = |index| u8::from_str_radix(&sum[2 * index..2 * index + 2], 16);
        for (index, byte) in digest.iter().enumerate() {
            assert_eq!(wanted(index).as_ref(), Ok(byte), "{name}");
        }
        checked += 1;
    }
    assert_eq!(checked, 4);
}

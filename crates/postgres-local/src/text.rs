//! Small pure pieces of text: a stable hash for folder names, percent-encoding for URLs, passwords.

use std::{fmt::Write as _, fs::File, io::Read};

const PASSWORD_LENGTH: usize = 32;
const PASSWORD_LETTERS: &[u8; 62] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// FNV-1a with 64 bits: the same in every build, which the standard library's hasher is not.
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Encodes all but RFC 3986's unreserved characters, as libpq's URIs need it in every part.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// 32 letters and digits from the system's random source, 190 bits.
pub(crate) fn random_password() -> std::io::Result<String> {
    let mut random = File::open("/dev/urandom")?;
    let mut password = String::with_capacity(PASSWORD_LENGTH);
    let mut byte = [0];
    // A byte of 248 or more would favour the first letters; one in 32 is thrown away.
    while password.len() < PASSWORD_LENGTH {
        random.read_exact(&mut byte)?;
        if byte[0] < 248 {
            password.push(char::from(PASSWORD_LETTERS[usize::from(byte[0]) % 62]));
        }
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(stable_hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable_hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn reserved_characters_are_encoded() {
        assert_eq!(percent_encode("a-b.c_d~9"), "a-b.c_d~9");
        assert_eq!(
            percent_encode("p@ss:w/o%rd é"),
            "p%40ss%3Aw%2Fo%25rd%20%C3%A9"
        );
    }

    #[test]
    fn passwords_are_long_plain_and_different() {
        let (one, two) = (random_password().unwrap(), random_password().unwrap());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, two);
    }
}

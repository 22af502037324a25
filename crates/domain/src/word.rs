//! How an enum's values are written: by one word each, the same in the database, in addresses and in
//! the API.

/// Writes and reads enums that have `ALL` and `as_str`; the error before the colon says that a text is
/// none of their words.
macro_rules! words {
    ($error:ident: $($name:ident)+) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                let mut all = Self::ALL.into_iter();
                all.find(|one| one.as_str() == text).ok_or($error)
            }
        }
    )+};
}

pub(crate) use words;

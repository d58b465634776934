//! The values of `[camera]` that a camera may choose by itself: `"auto"`, or a number in a range.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use serde::{Serialize, Serializer};

macro_rules! auto_or_number {
    ($(#[$doc:meta])* $name:ident, $allowed:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name(Option<u32>);

        impl $name {
            /// None: out of the range.
            pub fn new(value: u32) -> Option<Self> {
                $allowed.contains(&value).then_some(Self(Some(value)))
            }

            /// The number; `None`: the camera chooses.
            pub const fn get(self) -> Option<u32> {
                self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
                match self.0 {
                    Some(value) => into.serialize_u32(value),
                    None => into.serialize_str("auto"),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Either;
                impl Visitor<'_> for Either {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        let wrong = || E::invalid_value(Unexpected::Str(text), &self);
                        (text == "auto").then_some($name(None)).ok_or_else(wrong)
                    }

                    fn visit_i64<E: de::Error>(self, value: i64) -> Result<$name, E> {
                        let number = u32::try_from(value).ok().and_then($name::new);
                        number.ok_or_else(|| E::invalid_value(Unexpected::Signed(value), &self))
                    }

                    fn visit_u64<E: de::Error>(self, value: u64) -> Result<$name, E> {
                        self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
                    }
                }
                from.deserialize_any(Either)
            }
        }
    };
}

auto_or_number!(
    /// How long each picture is exposed, in units of 100 µs, 1 to 10000 (a second).
    Exposure, (1..=10_000), "\"auto\" or a number of 100 µs, 1 to 10000"
);
auto_or_number!(
    /// The colour of the light that is to look white, 2000 to 10000 kelvin.
    WhiteBalance, (2_000..=10_000), "\"auto\" or a number of kelvin, 2000 to 10000"
);

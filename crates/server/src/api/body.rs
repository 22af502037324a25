//! Reading a JSON body with an answer for everything that can be wrong with it.

use std::fmt;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::http::fields::{FieldError, FieldReason, Fields};
use crate::http::problem::{Code, Problem};

/// The fields of a JSON object.
#[derive(Debug)]
pub struct JsonFields(pub Fields);

impl<S: Send + Sync> FromRequest<S> for JsonFields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        if !media_type.is_some_and(is_json) {
            let detail = "Send the body as `Content-Type: application/json`, in UTF-8.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let body = read_body(request, state).await?;
        let document = serde_json::from_slice(&body).map_err(|error| {
            let detail = format!("The body isn't JSON: {error}.");
            Problem::new(Code::MalformedRequest, detail)
        })?;
        match document {
            Document::Object(members) => Ok(Self(Fields::from_json(members))),
            Document::Other => {
                let reason = FieldReason::WrongType {
                    wanted: "a JSON object",
                };
                Err(Problem::validation(vec![FieldError {
                    field: String::new(),
                    reason,
                }]))
            }
        }
    }
}

/// JSON in UTF-8, in which it always is (RFC 8259, section 8.1); saying so changes nothing.
fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// A JSON document as it stands there: `serde_json`'s own map would hide a repeated member.
enum Document {
    Object(Vec<(String, Value)>),
    Other,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Document::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Document, A::Error> {
        while list.next_element::<Value>()?.is_some() {}
        Ok(Document::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Other)
    }
}

/// The whole body, within the router's limit.
pub async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)
            } else {
                Problem::new(
                    Code::MalformedRequest,
                    "The body didn't arrive whole and in time.",
                )
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_in_utf_8_or_it_is_none() {
        for good in [
            "application/json",
            "Application/JSON ; charset=UTF-8",
            "application/json; charset=\"utf-8\"; version=1",
            "application/json;",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "application/json; charset=utf-16",
            "application/json; version=1; CHARSET=latin1",
            "text/json",
            "",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}

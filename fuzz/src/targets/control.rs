//! The control socket: a program's request, and a kiosk's answer.

use twocan::wire::control::{Answer, Request, encode};

use super::{Target, texts};

pub const TARGET: Target = Target { name: "control", is_slow: false, run, seeds };

fn run(data: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<Request>(data) {
        let again = serde_json::from_slice::<Request>(&encode(&request));
        assert_eq!(again.expect("what we write can be read"), request);
    }
    if let Ok(answer) = serde_json::from_slice::<Answer>(data) {
        let again = serde_json::from_slice::<Answer>(&encode(&answer));
        assert_eq!(again.expect("what we write can be read").bytes, answer.bytes);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"do":"status"}"#,
        r#"{"do":"dial","name":"Anna"}"#,
        r#"{"do":"hide","hidden":true}"#,
        r#"{"do":"volume","volume":10}"#,
        r#"{"do":"tap","x":17,"y":99}"#,
        r#"{"do":"screenshot"}"#,
        r#"{"error":"not done","bytes":7}"#,
        r#"{"status":{"name":"Bert","contacts":[{"name":"Anna"}]}}"#,
    ])
}

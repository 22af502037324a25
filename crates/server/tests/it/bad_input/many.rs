//! Requests with very many errors, which must not get very large answers.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::wire::Wire;

/// Several times what fifty errors take, and a fraction of what all of them would.
const BYTES_MAX: usize = 16 * 1_024;

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_wrong_fields_get_fifty_errors_and_that_there_are_more() {
    TestApp::run(async |app| {
        let numbers = || (0..4_000).map(|number| number.to_string());
        let unknown: Vec<String> = numbers().map(|name| format!("{name}=1")).collect();
        let members: Vec<String> = numbers().map(|name| format!("\"{name}\":1")).collect();
        let repeated = vec!["\"a\":1".to_owned(); 10_000];
        for request in [
            Wire::get(&format!("/api/v1/concerts?{}", unknown.join("&"))),
            Wire::get(&format!("/api/v1/concerts?{}", vec!["a"; 10_000].join("&"))),
            posted(&members),
            posted(&repeated),
        ] {
            let answer = request.send(app.address).await;
            assert_eq!(answer.status, 422, "{answer:?}");
            let bytes = answer.text().len();
            assert!(bytes < BYTES_MAX, "{bytes} bytes");
            let problem = answer.json();
            assert_eq!(problem["errors"].as_array().map(Vec::len), Some(50));
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("there are more"), "{detail}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_wrong_fields_are_all_named_and_no_more_are_told_of() {
    TestApp::run(async |app| {
        let members: Vec<String> = (0..46).map(|number| format!("\"{number}\":1")).collect();
        let answer = posted(&members).send(app.address).await;
        let problem = answer.json();
        // Four more are missing.
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(50));
        let detail = &problem["detail"];
        let expected = "Some fields are missing or wrong; `errors` names each.";
        assert_eq!(*detail, json!(expected));
        assert_ne!(problem["errors"][0], Value::Null);
    })
    .await;
}

fn posted(members: &[String]) -> Wire {
    Wire::new("POST", "/api/v1/reservations")
        .header("content-type", "application/json")
        .body(format!("{{{}}}", members.join(",")))
}

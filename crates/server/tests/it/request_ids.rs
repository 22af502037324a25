//! A request's id on its way: from the answer to PostgreSQL's own log.

use reqwest::header::SET_COOKIE;
use reqwest::{Method, Response};

use crate::support::own_cluster::OwnCluster;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, Options};

#[tokio::test(flavor = "multi_thread")]
async fn a_requests_id_is_in_postgresqls_log_and_makes_no_statement_another_one() {
    let settings = [
        ("log_statement", "all"),
        ("shared_preload_libraries", "pg_stat_statements"),
        ("pg_stat_statements.track_utility", "on"),
    ];
    let cluster = OwnCluster::start_with("request-ids", &settings).await;
    let app = cluster.app(Options::default()).await;
    let concert = app.plant(NewConcert::default()).await;
    let reserved = app.reserved(concert, 1, "som").await;
    let text = |field: &str| reserved[field].as_str().unwrap();
    let (id, token) = (text("id"), text("access_token"));

    let api = app.with_token(Method::POST, &reserved, "/extend");
    let link = app.get(&format!("/en/r/{id}?t={token}")).await;
    let cookie = link.headers()[SET_COOKIE].to_str().unwrap();
    let page = app.request(Method::GET, &format!("/en/r/{id}"));
    let page = page.header("cookie", cookie.split(';').next().unwrap());
    let mut answers = Vec::new();
    for request in [api, page] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answers.push(answer);
    }
    let id_of = |answer: &Response| {
        answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    for id in answers.iter().map(id_of) {
        let told = format!("; /* request_id={id} */");
        eventually("the id is in PostgreSQL's log", LIMIT, async || {
            let log = std::fs::read_to_string(cluster.0.log_file()).unwrap();
            let mut lines = log.lines().filter(|line| line.contains(&told));
            lines.any(|line| line.contains("BEGIN"))
        })
        .await;
    }

    // The comment stands behind the semicolon: in front of it, or instead, each request would be a
    // statement of its own there, and push the others out.
    let installed = "CREATE EXTENSION pg_stat_statements";
    app.postgres.batch_execute(installed).await.unwrap();
    let counted = "SELECT query FROM pg_stat_statements WHERE query LIKE 'BEGIN%'";
    let rows = app.postgres.query(counted, &[]).await.unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        let query: String = row.get(0);
        assert!(!query.contains("request_id"), "{query}");
    }
    app.assert_inventory().await;
}

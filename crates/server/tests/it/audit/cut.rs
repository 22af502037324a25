//! A log that was cut at its end, seals and all: its chain fits, so only who saw its head can tell.

use app::audit;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{key, seal};
use crate::support::{NewConcert, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_at_its_end_is_found_by_its_head_and_by_who_sealed_it() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        seal(app, 1).await;
        // Somebody did something and undid it, which nobody shall know.
        for venue in ["Elsewhere", "Riverside Hall"] {
            let change = format!("UPDATE concerts SET venue = '{venue}' WHERE id = {concert}");
            app.postgres.batch_execute(&change).await.unwrap();
        }
        seal(app, 2).await;
        let head = "SELECT mac FROM audit_seals ORDER BY id DESC LIMIT 1";
        let row = app.postgres.query_one(head, &[]).await.unwrap();
        let head = STANDARD.encode(row.get::<_, Vec<u8>>(0)).parse().unwrap();
        let verify = async || audit::verify(&app.app, &key(), &[head]).await.unwrap();
        let report = verify().await;
        assert!(report.has_heads && report.wrong.is_none(), "{report:?}");
        let turn = async || audit::seal(&app.app, &key()).await.unwrap();
        assert!(!turn().await.has_lost_head);

        let cut = "DELETE FROM audit_logs WHERE id > 1;
                   DELETE FROM audit_seals WHERE id = (SELECT max(id) FROM audit_seals)";
        app.postgres.batch_execute(cut).await.unwrap();
        let report = verify().await;
        assert!(!report.has_heads && report.wrong.is_none(), "{report:?}");
        assert!(turn().await.has_lost_head);
        assert!(!turn().await.has_lost_head, "told once");
    })
    .await;
}

#[test]
fn what_is_no_head_is_refused_with_where_one_is_found() {
    for text in ["", "abc", "AAAA", "not base64 at all"] {
        let refused = text.parse::<audit::SealHead>().unwrap_err();
        assert!(refused.contains("audit rows sealed"), "{refused}");
    }
}

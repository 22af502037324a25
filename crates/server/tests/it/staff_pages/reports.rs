//! Reports: the page, the API and the files say what plain SQL says of the same reservations.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use crate::support::{NewConcert, TestApp};

pub(super) const SETTLE_STOCK: &str = "
    UPDATE concerts SET available_tickets = total_tickets - coalesce((
        SELECT sum(quantity) FROM reservations
        WHERE concert_id = concerts.id AND status IN ('pending', 'confirmed')), 0)";

/// Two concerts with 400 reservations of the last four months, in every state, and one that sold out.
pub(super) async fn plant_sales(app: &TestApp) -> [i32; 3] {
    let many = NewConcert {
        tickets: 5000,
        ..NewConcert::default()
    };
    let few = NewConcert {
        tickets: 3,
        name: "Small Hours",
        ..NewConcert::default()
    };
    let (first, second) = (app.plant(many).await, app.plant(many).await);
    let sold_out = app.plant(few).await;
    let plant = format!(
        "INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                   total_price, status, payment_status, reserved_at, created_at,
                                   updated_at, expires_at, deleted_at)
         SELECT 'RES' || n || '-00000000', CASE WHEN n % 3 = 0 THEN {second} ELSE {first} END,
                'Som Chai', n || '@example.com', 1 + n % 4,
                CASE WHEN n % 11 = 0 THEN 0 ELSE (1 + n % 4) * 1250.50 END,
                (ARRAY['confirmed', 'pending', 'cancelled', 'cancelled', 'expired', 'cancelled',
                       'confirmed', 'pending'])[1 + n % 8],
                (ARRAY['completed', 'pending', 'completed', 'refunded', 'failed', 'pending',
                       'completed', 'failed'])[1 + n % 8],
                at, at, at, CASE WHEN n % 5 = 0 THEN timestamp '2026-11-22 05:05' ELSE at END,
                CASE WHEN n % 8 = 4 AND n % 3 = 1 THEN at END
         FROM generate_series(1, 400) n,
              LATERAL (SELECT timestamp '2026-11-22 05:00' - n * interval '7 hours 13 minutes') t (at);
         INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                   total_price, status, payment_status, created_at)
         SELECT 'RES90' || n || '-00000000', {sold_out}, 'Nok', 'nok' || n || '@example.com', 1,
                1250, 'confirmed', 'completed', timestamp '2026-11-20 10:00' + n * interval '50 minutes'
         FROM generate_series(1, 3) n;
         {SETTLE_STOCK}"
    );
    app.postgres.batch_execute(&plant).await.unwrap();
    [first, second, sold_out]
}

/// Sums by hand: by the days' names in the concerts' time zone, each figure by a condition of its own.
pub(super) async fn by_hand(
    app: &TestApp,
    group: &str,
    and: &str,
) -> BTreeMap<String, [String; 6]> {
    let statement = format!(
        "WITH told AS (
             SELECT *, ((created_at AT TIME ZONE 'utc') AT TIME ZONE 'Asia/Bangkok')::date AS day,
                    CASE WHEN status = 'pending' AND expires_at <= '2026-11-22 05:00' THEN 'expired'
                         ELSE status END AS now_status
             FROM reservations WHERE deleted_at IS NULL
         )
         SELECT ({group})::text, count(*)::text,
                coalesce(sum(quantity) FILTER (WHERE status = 'confirmed'), 0)::text,
                coalesce(sum(total_price) FILTER (WHERE status = 'confirmed'), 0)::numeric(12, 2)::text,
                coalesce(sum(total_price) FILTER (
                    WHERE payment_status = 'refunded'
                       OR (payment_status = 'completed' AND status <> 'confirmed')), 0)::numeric(12, 2)::text,
                count(*) FILTER (WHERE (total_price > 0 OR payment_status = 'refunded')
                    AND (now_status IN ('expired', 'cancelled')
                         OR (now_status = 'confirmed' AND total_price > 0)))::text,
                count(*) FILTER (WHERE payment_status = 'refunded'
                    OR (payment_status = 'completed' AND total_price > 0))::text
         FROM told
         WHERE day BETWEEN '2026-10-24' AND '2026-11-22' {and}
         GROUP BY 1"
    );
    let rows = app.postgres.query(&statement, &[]).await.unwrap();
    let sums = rows.iter().map(|row| {
        let sum = [1, 2, 3, 4, 5, 6].map(|place| row.get::<_, String>(place));
        (row.get(0), sum)
    });
    sums.collect()
}

/// The same figures of the API's answer.
pub(super) fn figures(sales: &Value) -> [String; 6] {
    let text = |name: &str| match &sales[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    [
        text("reservations"),
        text("tickets_sold"),
        text("revenue"),
        text("given_back"),
        text("holds_ended"),
        text("holds_paid"),
    ]
}

pub(super) async fn report(app: &TestApp, token: &str, query: &str) -> Value {
    let path = format!("/reports/sales{query}");
    let answer = app.as_staff(token, Method::GET, &path).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200, "{query}");
    answer.json().await.unwrap()
}

pub(super) fn zeros() -> [String; 6] {
    ["0", "0", "0.00", "0.00", "0", "0"].map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_says_what_plain_sql_says_by_day_and_by_concert() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let [first, _, sold_out] = plant_sales(app).await;
        for (query, and) in [
            (String::new(), String::new()),
            (
                format!("?from=2026-10-24&to=2026-11-22&concert_id={first}"),
                format!("AND concert_id = {first}"),
            ),
        ] {
            let found = report(app, &token, &query).await;
            assert_eq!(
                (found["from"].as_str(), found["to"].as_str()),
                (Some("2026-10-24"), Some("2026-11-22"))
            );
            let expected = by_hand(app, "day", &and).await;
            let days = found["items"].as_array().unwrap();
            assert_eq!(days.len(), 30);
            assert!(expected.len() > 25, "{expected:?}");
            for item in days {
                let day = item["day"].as_str().unwrap();
                let expected = expected.get(day).cloned().unwrap_or_else(zeros);
                assert_eq!(figures(&item["sales"]), expected, "{day}");
            }
            let all = by_hand(app, "true", &and).await;
            assert_eq!(figures(&found["total"]), all["true"]);
        }
        let found = report(app, &token, "?group_by=concert").await;
        let expected = by_hand(app, "concert_id", "").await;
        let items = found["items"].as_array().unwrap();
        assert_eq!(items.len(), 3);
        for item in items {
            let id = item["concert_id"].to_string();
            assert_eq!(figures(&item["sales"]), expected[&id], "{id}");
            let left = item["available_tickets"].as_i64().unwrap();
            let id = id.parse().unwrap();
            assert_eq!(left, i64::from(app.available(id).await));
            let within = (id == sold_out).then_some(6000);
            assert_eq!(item["sold_out_within_s"].as_i64(), within, "{id}");
        }
        let sold = |item: &Value| item["sales"]["tickets_sold"].as_i64();
        assert!(items.is_sorted_by(|a, b| sold(a) >= sold(b)), "{found:#}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_report_is_told_at_its_field() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let cookie = app.as_member("superadmin").await;
        for (query, field) in [
            ("?from=yesterday", "from"),
            ("?to=2026-02-30", "to"),
            ("?from=2026-11-02&to=2026-11-01", "to"),
            ("?from=2025-01-01&to=2026-11-01", "from"),
            ("?concert_id=0", "concert_id"),
        ] {
            let path = format!("/reports/sales{query}");
            let answer = app.as_staff(&token, Method::GET, &path).send().await;
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 422, "{query}");
            let problem: Value = answer.json().await.unwrap();
            let pointer = format!("/{field}");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
            let page = app
                .page_as(&cookie, &format!("/staff/reports{query}"))
                .await;
            assert_eq!(page.status(), 422, "{query}");
            let page = page.text().await.unwrap();
            assert!(page.contains(&format!("href=\"#{field}\"")), "{page}");
            assert!(!page.contains("<svg class=\"chart\""), "{page}");
        }
        for query in ["?group_by=week", "?limit=5"] {
            let path = format!("/reports/sales{query}");
            let answer = app.as_staff(&token, Method::GET, &path).send().await;
            assert_eq!(answer.unwrap().status(), 422, "{query}");
        }
        let empty = report(app, &token, "?from=0001-01-01&to=0001-01-02").await;
        assert_eq!(empty["total"]["reservations"], 0);
        let last = report(app, &token, "?from=9999-12-31&to=9999-12-31").await;
        assert_eq!(last["total"]["hold_to_paid_percent"], Value::Null);
    })
    .await;
}

/// `1250.50` as people read it.
fn shown(amount: &str) -> String {
    let (whole, cents) = amount.split_once('.').unwrap();
    let whole = stagedoor::i18n::number(whole.parse().unwrap());
    let cents = if cents == "00" {
        String::new()
    } else {
        format!(".{cents}")
    };
    format!("฿{whole}{cents}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_charts_tables_and_files_have_the_same_numbers() {
    TestApp::run(async |app| {
        let cookie = app.as_member("admin").await;
        let none = app.page_as(&cookie, "/staff/reports").await;
        assert_eq!(none.status(), 200);
        let none = none.text().await.unwrap();
        assert!(none.contains("Nothing was reserved on these days."), "{none}");
        plant_sales(app).await;
        let page = app.page_as(&cookie, "/staff/reports?lang=en").await;
        let page = page.text().await.unwrap();
        for figure in ["sales", "fill", "revenue", "hold-to-paid", "refunds", "time-to-sell-out"] {
            let labelled = format!("aria-labelledby=\"{figure}-name {figure}-told\"");
            assert_eq!(page.matches(&labelled).count(), 1, "{figure}");
            for ending in ["csv", "xlsx"] {
                let file = format!(
                    "/staff/reports/{figure}.{ending}?from=2026-10-24&#38;to=2026-11-22"
                );
                assert!(page.contains(&file), "{file}: {page}");
            }
        }
        let days = by_hand(app, "day", "").await;
        let day = &days["2026-11-20"];
        let row = format!(
            "<th scope=\"row\">Fri 20 Nov 2026</th><td data-label=\"Reservations made\">{}</td>\
             <td data-label=\"Tickets sold\">{}</td><td data-label=\"Revenue\">{}</td>",
            day[0],
            day[1],
            shown(&day[2])
        );
        assert!(page.contains(&row), "{row}\n{page}");
        let total = &by_hand(app, "true", "").await["true"];
        let percent = page.contains(&format!("{} of {} holds", total[5], total[4]));
        assert!(percent, "{total:?}: {page}");
        for amount in [&total[2], &total[3]] {
            let fact = format!("<dd>{}</dd>", shown(amount));
            assert!(page.contains(&fact), "{fact}: {page}");
        }
        assert!(page.contains("1 h 40 min"), "{page}");

        let csv = app.page_as(&cookie, "/staff/reports/sales.csv").await;
        assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
        let name = "attachment; filename=\"sales-2026-11-22.csv\"";
        assert_eq!(csv.headers()["content-disposition"], name);
        let csv = csv.text().await.unwrap();
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some("day,reservations_made,tickets_sold,revenue,currency"));
        assert_eq!(lines.clone().count(), 30);
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            let sums = days.get(cells[0]).cloned().unwrap_or_else(zeros);
            assert_eq!(cells[1..4], sums[..3], "{line}");
        }
        let told = "SELECT count(*) FROM audit_logs WHERE action = 'EXPORT' AND new_values =
                    '{\"rows\": 30, \"report\": \"sales\", \"format\": \"csv\", \"from\": \"2026-10-24\",
                      \"to\": \"2026-11-22\"}'";
        assert_eq!(app.count(told).await, 1);
        let unknown = app.page_as(&cookie, "/staff/reports/nothing.csv").await;
        assert_eq!(unknown.status(), 404);
    })
    .await;
}

/// Of many concerts that are sold out those that sold most have their times, and all of them are counted.
#[tokio::test(flavor = "multi_thread")]
async fn many_concerts_that_are_sold_out_are_all_counted() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let cookie = app.as_member("admin").await;
        let plant = "
            INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price,
                                  status)
            SELECT 'Night ' || n, 'Som', '2026-12-24', 'Hall', n, 0, 100, 'open'
            FROM generate_series(1, 60) n ORDER BY n;
            INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                      total_price, status, payment_status, created_at)
            SELECT 'RES' || 1000 + id || '-00000000', id, 'Nok', 'nok@example.com', total_tickets,
                   total_tickets * 100, 'confirmed', 'completed', '2026-11-20 10:00'
            FROM concerts WHERE artist = 'Som'";
        app.postgres.batch_execute(plant).await.unwrap();
        let page = app.page_as(&cookie, "/staff/reports?lang=en").await;
        let page = page.text().await.unwrap();
        assert!(page.contains("60 concerts are sold out"), "{page}");
        assert!(page.contains("Times are shown for the 50 that sold most."), "{page}");
        let found = report(app, &token, "?group_by=concert").await;
        let items = found["items"].as_array().unwrap();
        assert_eq!(items.len(), 60);
        for item in items {
            let has_time = item["sold_out_within_s"].as_i64().is_some();
            let tickets = item["total_tickets"].as_i64().unwrap();
            assert_eq!(has_time, tickets > 10, "{item}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_offer_their_rows_to_who_may_take_them_away() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let moderator = app.as_member("moderator").await;
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 2, "som").await;
        app.reserved(concert, 1, "nok").await;
        for (list, query, file) in [
            (
                "reservations",
                "?status=pending&q=som%40&cursor=",
                "status=pending&#38;q=som%40",
            ),
            ("concerts", "?status=lost&q=Ferry&cursor=x", "q=Ferry"),
            (
                "audit",
                "?action=CREATE&table_name=concerts",
                "action=CREATE&#38;table_name=concerts",
            ),
        ] {
            let path = format!("/staff/{list}{query}");
            let page = app.page_as(&admin, &path).await.text().await.unwrap();
            let name = if list == "audit" { "audit-logs" } else { list };
            for ending in ["csv", "xlsx"] {
                let href = format!("href=\"/staff/exports/{name}.{ending}?");
                let place = page.split(&href).nth(1).unwrap_or_else(|| panic!("{page}"));
                let query = place.split('"').next().unwrap();
                for part in file.split("&#38;") {
                    assert!(query.contains(part), "{part} in {query}");
                }
                let file = format!(
                    "/staff/exports/{name}.{ending}?{}",
                    query.replace("&#38;", "&")
                );
                let answer = app.page_as(&admin, &file).await;
                assert_eq!(answer.status(), 200, "{file}");
                if (name, ending) == ("reservations", "csv") {
                    let csv = answer.text().await.unwrap();
                    assert!(
                        csv.contains("som@example.com") && !csv.contains("nok@"),
                        "{csv}"
                    );
                }
            }
        }
        for list in ["reservations", "concerts"] {
            let page = app.page_as(&moderator, &format!("/staff/{list}")).await;
            let page = page.text().await.unwrap();
            assert!(!page.contains("/staff/exports/"), "{page}");
            assert!(!page.contains("/staff/reports"), "{page}");
        }
    })
    .await;
}

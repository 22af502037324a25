//! Every route of the product on one page, and the layers around them.

use std::any::Any;

use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use memory_serve::MemoryServe;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use tower_http::csrf::CsrfLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::Assets;
use super::problem::Problem;
use super::web::Web;
use super::{headers, health, limits, problem_render, request, seen};
use crate::api::{admin, concerts, document, live, me, personal_data, reservations, tickets};
use crate::{exports, mail, posters, sandbox, setup, shop, staff, webhooks};

/// The whole site.
pub fn router(web: Web) -> Router {
    let (api, document) = api().split_for_parts();
    let document = document::complete(document).to_json().unwrap_or_default();
    let document = get(async || ([(CONTENT_TYPE, "application/json")], document));
    let site = Router::new()
        .nest("/api/v1", api.route("/openapi.json", document))
        .merge(shop())
        .merge(staff::routes(&web))
        .route(setup::PATH, get(setup::show).post(setup::create))
        .route("/webhooks/{provider}", post(webhooks::receive))
        .route(
            "/sandbox/pay/{id}",
            get(sandbox::show).post(sandbox::choose),
        )
        .route("/posters/{file}", get(posters::show))
        .route("/dev/mail", get(mail::shown::list))
        .nest_service("/assets", assets().into_router::<()>())
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::of_status(StatusCode::METHOD_NOT_ALLOWED));
    layered(site, &web).with_state(web)
}

/// A sheet is a compressed archive already.
const IS_NO_SHEET: NotForContentType = NotForContentType::const_new(exports::XLSX);

/// What surrounds every handler; the last layer is the outermost.
fn layered(site: Router<Web>, web: &Web) -> Router<Web> {
    let state = || web.clone();
    let csrf = CsrfLayer::new();
    let csrf = csrf
        .clone()
        .add_trusted_origin(&web.site.base_url)
        .unwrap_or(csrf);
    site.layer(DefaultBodyLimit::max(limits::BODY_BYTES_MAX))
        .layer(csrf)
        .layer(middleware::from_fn(limits::answer_in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state(), seen::remember))
        .layer(middleware::from_fn_with_state(state(), limits::refuse))
        .layer(middleware::from_fn_with_state(
            state(),
            problem_render::render,
        ))
        .layer(middleware::from_fn_with_state(state(), request::identify))
        .layer(middleware::from_fn_with_state(state(), headers::secure))
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                .compress_when(DefaultPredicate::new().and(IS_NO_SHEET)),
        )
}

/// Its cause is in the log already, by the panic itself.
fn panicked(_: Box<dyn Any + Send>) -> Response<Body> {
    Problem::internal().into_response()
}

fn api() -> OpenApiRouter<Web> {
    OpenApiRouter::with_openapi(document::base())
        .routes(routes!(concerts::list))
        .routes(routes!(concerts::show))
        .routes(routes!(live::watch))
        .routes(routes!(reservations::create))
        .routes(routes!(reservations::show))
        .routes(routes!(reservations::extend))
        .routes(routes!(reservations::pay))
        .routes(routes!(reservations::cancel))
        .routes(routes!(tickets::list))
        .routes(routes!(tickets::pdf))
        .routes(routes!(tickets::calendar))
        .routes(routes!(me::ask_for_link))
        .routes(routes!(me::sign_out))
        .routes(routes!(me::show))
        .routes(routes!(me::list_reservations))
        .routes(routes!(personal_data::export))
        .routes(routes!(personal_data::erase))
        .routes(routes!(admin::sessions::create))
        .routes(routes!(admin::sessions::delete))
        .routes(routes!(admin::password::change))
        .routes(routes!(admin::totp::begin, admin::totp::turn_off))
        .routes(routes!(admin::totp::confirm))
        .routes(routes!(admin::users::list, admin::users::create))
        .routes(routes!(admin::users::change, admin::users::delete))
        .routes(routes!(admin::users::disable))
        .routes(routes!(admin::users::end_sessions))
        .routes(routes!(admin::concerts::list, admin::concerts::create))
        .routes(routes!(
            admin::concerts::show,
            admin::concerts::change,
            admin::concerts::delete
        ))
        .routes(routes!(admin::concerts::open))
        .routes(routes!(admin::concerts::close))
        .routes(routes!(admin::concerts::archive))
        .routes(routes!(admin::concerts::cancel))
        .routes(routes!(admin::image::set))
        .routes(routes!(admin::reservations::list))
        .routes(routes!(
            admin::reservations::show,
            admin::reservations::delete
        ))
        .routes(routes!(admin::reservations::confirm))
        .routes(routes!(admin::reservations::cancel))
        .routes(routes!(admin::reservations::refund))
        .routes(routes!(admin::tickets::check))
        .routes(routes!(admin::reservations::resend))
        .routes(routes!(admin::mails::list))
        .routes(routes!(admin::mails::retry))
        .routes(routes!(admin::audit_logs::list))
        .routes(routes!(admin::reports::sales))
        .routes(routes!(admin::health::show))
        .routes(routes!(admin::exports::reservations_csv))
        .routes(routes!(admin::exports::reservations_xlsx))
        .routes(routes!(admin::exports::concerts_csv))
        .routes(routes!(admin::exports::concerts_xlsx))
        .routes(routes!(admin::exports::audit_logs_csv))
        .routes(routes!(admin::exports::audit_logs_xlsx))
}

fn shop() -> Router<Web> {
    Router::new()
        .route("/", get(shop::home))
        .route("/{lang}", get(shop::home_in_language))
        .route("/{lang}/", get(shop::concerts::show))
        .route("/{lang}/concerts/{id}", get(shop::concert::show))
        .route("/{lang}/concerts/{id}/hold", post(shop::hold::hold))
        .route("/{lang}/r/{id}", get(shop::reservation::show))
        .route(
            "/{lang}/r/{id}/pay",
            get(shop::pay::show).post(shop::pay::begin),
        )
        .route("/{lang}/r/{id}/paid", get(shop::pay::paid))
        .route("/{lang}/r/{id}/extend", post(shop::keep::extend))
        .route("/{lang}/r/{id}/cancel", post(shop::reservation::cancel))
        .route("/{lang}/r/{id}/tickets", get(shop::tickets::show))
        .route("/{lang}/r/{id}/tickets.pdf", get(shop::tickets::pdf))
        .route("/{lang}/r/{id}/calendar.ics", get(shop::tickets::calendar))
        .route("/{lang}/r/{id}/resend", post(shop::tickets::resend))
        .route("/sw.js", get(shop::tickets::worker))
        .route("/{lang}/me", get(shop::me::show))
        .route("/{lang}/me/export", get(shop::my_data::export))
        .route(
            "/{lang}/me/erase",
            get(shop::my_data::show).post(shop::my_data::erase),
        )
        .route("/{lang}/erased", get(shop::my_data::erased))
        .route(
            "/{lang}/sign-in",
            get(shop::sign_in::show).post(shop::sign_in::ask),
        )
        .route(
            "/{lang}/sign-in/{token}",
            get(shop::sign_in::look).post(shop::sign_in::enter),
        )
        .route("/{lang}/sign-out", post(shop::me::sign_out))
        .route("/auth/oidc/start", get(shop::oidc::start))
        .route("/auth/oidc/callback", get(shop::oidc::callback))
        .route("/theme", post(shop::theme::choose))
        .route("/robots.txt", get(shop::robots))
}

/// The API's document as the routes make it.
pub fn api_document() -> utoipa::openapi::OpenApi {
    document::complete(api().split_for_parts().1)
}

/// Style sheet, script, posters; also under names with their content's hash.
pub fn assets() -> MemoryServe {
    memory_serve::load!()
        .enable_hashed_routes(true)
        .index_file(None)
        .fallback(None)
}

/// The addresses of the files that every page loads.
pub fn asset_addresses() -> Assets {
    let manifest = assets().manifest();
    Assets::new(|path| manifest.get(path))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use ::app::{AccessKey, App, Ctx, Settings};
    use domain::allotment::Limits;
    use domain::money::Currency;
    use jiff::tz::TimeZone;
    use store::{Pool, PoolSettings};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::RateLimit;
    use crate::http::feed::Feeds;
    use crate::http::page::Site;
    use crate::http::rate::Budgets;
    use crate::http::web::Parts;

    /// The layers around two handlers that panic; no database is asked.
    fn panicking() -> Router {
        let pool = PoolSettings {
            name: "writer",
            max: 1,
            min: 0,
            idle_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
            silence_max: Some(Duration::from_secs(6)),
        };
        let pool = Pool::open(
            "postgresql://nobody@127.0.0.1:1/none",
            pool,
            Arc::new(|_| {}),
        );
        let settings = Settings {
            hold_ttl: Duration::from_mins(10),
            cancel_until: Duration::from_hours(48),
            limits: Limits {
                per_order: 10,
                per_customer: 10,
            },
            currency: Currency::THB,
            timezone: TimeZone::UTC,
        };
        let key = AccessKey::new(b"a key that is only used for tests");
        let web = Web::new(Parts {
            app: App::new(Ctx::system(), settings, pool.unwrap(), key),
            site: Arc::new(Site {
                base_url: "http://tickets.example".to_owned(),
                time_zone: TimeZone::UTC,
                assets: asset_addresses(),
            }),
            trusted_proxies: Arc::new([]),
            feeds: Feeds::new(100, RateLimit::Off),
            budgets: Budgets::default(),
            has_tls: false,
        });
        let panics = || get(async || -> &'static str { panic!("a secret from inside") });
        let site = Router::new()
            .route("/api/v1/panic", panics())
            .route("/en/panic", panics());
        layered(site, &web).with_state(web)
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_an_internal_problem_that_leaks_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, panicking()).await });
        for (path, media_type) in [
            ("/api/v1/panic", "application/problem+json"),
            ("/en/panic", "text/html; charset=utf-8"),
        ] {
            let url = format!("http://{address}{path}");
            let response = reqwest::get(url).await.unwrap();
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["content-type"], media_type);
            let id = response.headers()["x-request-id"]
                .to_str()
                .unwrap()
                .to_owned();
            let body = response.text().await.unwrap();
            assert!(body.contains(&id), "the id finds the log line: {body}");
            for inside in ["secret", "panic!", "router.rs", "backtrace"] {
                assert!(!body.contains(inside), "{path} leaks {inside}: {body}");
            }
            if path.starts_with("/api/") {
                let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
                assert_eq!(problem["code"], "internal");
            }
        }
    }
}

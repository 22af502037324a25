//! The pages for staff, as a browser asks for them.

mod account;
mod audit;
mod choice;
mod concerts;
mod frame;
mod import;
mod live;
mod permissions;
mod posters;
mod reports;
mod reservations;
mod runs;
mod sums;
mod vendored;

use reqwest::{Method, Response};

use crate::support::TestApp;

impl TestApp {
    /// Somebody of this role who is signed in, as the value of their browser's cookie.
    pub(crate) async fn as_member(&self, role: &str) -> String {
        let token = self.plant_signed_in(&format!("a-{role}"), role).await;
        format!("stagedoor-staff={token}")
    }

    /// A page as whoever has this cookie sees it.
    pub(crate) async fn page_as(&self, cookie: &str, path: &str) -> Response {
        let asked = self.as_browser(cookie, Method::GET, path).send().await;
        asked.expect("an answer")
    }
}

//! Customers who sign in: links by mail, sessions, and what is theirs.

mod links;
mod own;
mod sessions;

use app::jobs::{self, Tasks};
use reqwest::Response;
use tokio::sync::watch;

use crate::support::TestApp;
use crate::support::wait::{LIMIT, eventually};

/// Sends mails until it is dropped.
fn work(app: &TestApp) -> watch::Sender<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(jobs::work(app.app.clone(), Tasks::of_product(), stopped));
    stop
}

/// Asks for a link and waits until its mail is written; the link's path.
async fn link(app: &TestApp, email: &str) -> String {
    let before = app.links_of(email).await;
    assert_eq!(app.ask_for_link(email).await, 202);
    eventually("a mail", LIMIT, async || {
        app.links_of(email).await.len() > before.len()
    })
    .await;
    // Those of one instant have no order.
    let mut links = app.links_of(email).await.into_iter();
    links
        .find(|link| !before.contains(link))
        .expect("a new link")
}

/// What the browser sends back of the cookie that an answer sets.
fn cookie_of(response: &Response) -> String {
    let cookies = response.headers().get_all("set-cookie").iter();
    let mut cookies = cookies.filter_map(|value| value.to_str().ok());
    let cookie = cookies.find(|cookie| cookie.starts_with("stagedoor="));
    let cookie = cookie.expect("the cookie");
    cookie.split(';').next().unwrap_or_default().to_owned()
}

//! What every handler can reach.

use std::sync::Arc;

use app::App;
use axum::extract::FromRef;
use ipnet::IpNet;

use super::feed::Feeds;
use super::page::Site;

/// The state of the router. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Web {
    pub app: App,
    pub site: Arc<Site>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[IpNet]>,
    /// Who watches which concert.
    pub feeds: Feeds,
}

impl Web {
    /// Whether browsers reach us by HTTPS, so that cookies can be kept to it.
    pub fn is_https(&self) -> bool {
        self.site.base_url.starts_with("https://")
    }
}

impl FromRef<Web> for App {
    fn from_ref(web: &Web) -> Self {
        web.app.clone()
    }
}

impl FromRef<Web> for Feeds {
    fn from_ref(web: &Web) -> Self {
        web.feeds.clone()
    }
}

impl FromRef<Web> for Arc<Site> {
    fn from_ref(web: &Web) -> Self {
        Arc::clone(&web.site)
    }
}

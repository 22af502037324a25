//! What every handler can reach.

use std::ops::Deref;
use std::sync::Arc;

use app::App;
use axum::extract::FromRef;
use ipnet::IpNet;

use super::feed::Feeds;
use super::page::Site;
use super::rate::Budgets;

/// The state of the router. Each layer clones it for each request, so it is one pointer.
#[derive(Clone, Debug)]
pub struct Web(Arc<Parts>);

/// What the state is made of.
#[derive(Debug)]
pub struct Parts {
    pub app: App,
    pub site: Arc<Site>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[IpNet]>,
    /// Who watches which concert.
    pub feeds: Feeds,
    /// How many requests of which kind a client may make.
    pub budgets: Budgets,
    /// Whether we speak TLS ourselves.
    pub has_tls: bool,
}

impl Deref for Web {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Web {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Whether browsers reach us by HTTPS, so that cookies can be kept to it.
    pub fn is_https(&self) -> bool {
        self.has_tls || self.site.base_url.starts_with("https://")
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

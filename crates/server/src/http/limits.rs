//! How much a request may bring and how long it may take, and that it learns when it was too much
//! or one too many.
//!
//! A server that closes its socket while a client is still sending resets the connection, and the
//! answer is lost. What is left of a refused body is therefore read and thrown away, to a limit.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use app::posters;
use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};
use http::header::{CONTENT_LENGTH, EXPECT, HOST};
use http::{Method, StatusCode, Version};
use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::client::ClientAddress;
use super::problem::{Code, Problem};
use super::web::Web;
use crate::staff::import;

/// The largest body of any request but an upload; a reservation has at most some 2 KB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Address and headers of a request; browsers send some 2 KB and keep cookies below 4 KB each.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// What a request may bring, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Allowance {
    body_bytes: usize,
    /// Less than a whole request may take, so that a client that stops sending gets its own answer.
    body_within: Duration,
    answer_within: Duration,
}

const USUAL: Allowance = Allowance {
    body_bytes: BODY_BYTES_MAX,
    body_within: Duration::from_secs(4),
    // Every request is answered within five seconds, the way back included.
    answer_within: Duration::from_millis(4900),
};
/// A picture from a phone takes half a minute on a bad network; others may be drawn before it.
const UPLOAD: Allowance = Allowance {
    body_bytes: posters::BYTES_MAX + FORM_BYTES_MAX,
    body_within: Duration::from_secs(30),
    answer_within: Duration::from_secs(50),
};
/// A file of concerts, or what was previewed of one in letters that a form leaves alone, with room to
/// say that it is too large. Thousands of rows are written before the answer.
const IMPORT: Allowance = Allowance {
    body_bytes: 2 * import::BYTES_MAX,
    ..UPLOAD
};
const IMPORTS: &str = "/staff/concerts/import";
/// What a form writes around a file.
const FORM_BYTES_MAX: usize = 4 * 1024;
/// Where files are uploaded, and nowhere else; guarded by `files_are_taken_where_they_belong_alone`.
const UPLOADS: [&str; 2] = [
    "/api/v1/admin/concerts/{id}/image",
    "/staff/concerts/{id}/poster",
];

impl Allowance {
    fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or("", MatchedPath::as_str);
        match *request.method() {
            Method::POST if UPLOADS.contains(&route) => UPLOAD,
            Method::POST if route == IMPORTS => IMPORT,
            _ => USUAL,
        }
    }
}

/// Takes as large a body as the request's address does.
pub fn widen(request: &mut Request) {
    DefaultBodyLimit::max(Allowance::of(request).body_bytes).apply(request);
}

/// Answers for a handler that takes too long.
pub async fn answer_in_time(request: Request, next: Next) -> Response {
    let within = Allowance::of(&request).answer_within;
    match tokio::time::timeout(within, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// More than anybody sends by mistake, and no work for a server.
const DISCARD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// As long as an answer may take.
const DISCARD_WITHIN: Duration = Duration::from_secs(5);

/// Refuses what is too large or too much before anything reads it.
pub async fn refuse(State(web): State<Web>, request: Request, next: Next) -> Response {
    let (head_bytes, announced) = (head_bytes(&request), announced_bytes(&request));
    let has_host = has_host(&request);
    let wait = web.budgets.spend(&request, || client_of(&request, &web));
    let allowance = Allowance::of(&request);
    let request = guard_body(request, allowance.body_within);
    if let Some(wait) = wait {
        return Problem::rate_limited(wait).into_response();
    }
    if !has_host {
        let detail = "A request needs one `Host` with the name that it was sent to.";
        return Problem::new(Code::MalformedRequest, detail).into_response();
    }
    if head_bytes > HEAD_BYTES_MAX {
        let detail = "Address and headers of the request are larger than 32 KB together.";
        return Problem::new(Code::MalformedRequest, detail).into_response();
    }
    if announced.is_some_and(|bytes| bytes > allowance.body_bytes as u64) {
        return Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE).into_response();
    }
    next.run(request).await
}

fn client_of(request: &Request, web: &Web) -> Option<IpAddr> {
    let (extensions, headers) = (request.extensions(), request.headers());
    ClientAddress::of(extensions, headers, &web.trusted_proxies).network()
}

fn head_bytes(request: &Request) -> usize {
    let uri = request.uri();
    let address = uri.path().len() + uri.query().map_or(0, str::len);
    let headers = request.headers().iter();
    headers.fold(address, |sum, (name, value)| {
        sum + name.as_str().len() + value.len()
    })
}

/// Exactly one (RFC 9112, section 3.2). HTTP/1.0 needs none, and HTTP/2 says it elsewhere.
fn has_host(request: &Request) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    request.version() != Version::HTTP_11 || hosts == 1
}

fn announced_bytes(request: &Request) -> Option<u64> {
    let length = request.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Gives the body a time to arrive in, and has it read to its end even if nobody wants it.
fn guard_body(request: Request, within: Duration) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    // A client that asks before it sends has nothing under way.
    let discards = !request.headers().contains_key(EXPECT);
    request.map(|body| {
        Body::from_stream(GuardedBody {
            data: Some(body.into_data_stream()),
            deadline: Box::pin(tokio::time::sleep(within)),
            discards,
        })
    })
}

/// A body that fails when it takes too long, and is read on in the background when it is dropped.
struct GuardedBody {
    data: Option<BodyDataStream>,
    deadline: Pin<Box<Sleep>>,
    discards: bool,
}

impl Stream for GuardedBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(data) = &mut self.data else {
            return Poll::Ready(None);
        };
        let mut polled = data.poll_next_unpin(context);
        if polled.is_pending() && self.deadline.as_mut().poll(context).is_ready() {
            polled = Poll::Ready(Some(Err(axum::Error::new("the body took too long"))));
        }
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.data = None;
        }
        polled
    }
}

impl Drop for GuardedBody {
    fn drop(&mut self) {
        let Some(data) = self.data.take().filter(|_| self.discards) else {
            return;
        };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // Whoever sends for longer is cut off.
                let _ = tokio::time::timeout(DISCARD_WITHIN, discard(data)).await;
            });
        }
    }
}

async fn discard(mut data: BodyDataStream) {
    let mut bytes = 0;
    while let Some(Ok(chunk)) = data.next().await {
        bytes += chunk.len();
        if bytes > DISCARD_BYTES_MAX {
            return;
        }
    }
}

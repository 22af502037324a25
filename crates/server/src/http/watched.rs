//! A socket that notes whether anything moves, and the judgement of a client that is too slow.
//!
//! Nothing here reads a clock: a connection is looked at from time to time, and what hasn't moved
//! between two looks has not moved for that long. This costs a request two counters.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a client may take for what. Times are kept to the next look.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub look_every: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Without any request.
    pub idle: Duration,
    /// Without taking a byte of an answer that waits to be sent.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            // Twenty thousand watchers make four thousand looks a second, a percent of a processor.
            look_every: Duration::from_secs(5),
            // A head is one or two packets, even on a bad mobile network.
            head: Duration::from_secs(10),
            // Longer than the minute for which proxies keep their connections, so that they are
            // the ones to close: who closes first never sends into a closed connection.
            idle: Duration::from_secs(75),
            // A phone in a tunnel comes back; a client that takes nothing on purpose doesn't.
            stall: Duration::from_secs(30),
        }
    }
}

/// What a connection has done since it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose answers aren't sent yet; streams of events among them.
    under_way: AtomicU32,
    /// A request has begun.
    has_begun: AtomicBool,
    /// Bytes came while no request was under way: the beginning of a head.
    has_read: AtomicBool,
    /// Bytes were taken by the client.
    has_written: AtomicBool,
    /// The client's side is full.
    is_stalled: AtomicBool,
    /// Counts the [`EPOCH_LOOKS`] by which waiting bodies are told apart.
    epoch: AtomicU32,
    /// Bodies of which a part was handed over and no more asked for, by the epoch in which it was.
    handed: [AtomicU32; 3],
}

/// In HTTP/2 a client that opens no window lets a body wait while the socket moves. One that waits
/// from one epoch to the next but one is never taken.
const EPOCH_LOOKS: u32 = 12;

impl Activity {
    /// Notes a request until the returned guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.has_begun.store(true, Ordering::Relaxed);
        self.has_read.store(false, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// What was read so far belongs to no request, such as the handshake of TLS.
    pub(super) fn forget_read(&self) {
        self.has_read.store(false, Ordering::Relaxed);
    }

    fn slot(&self, epoch: u32) -> &AtomicU32 {
        &self.handed[(epoch % 3) as usize]
    }

    /// Begins an epoch; whether a body has waited since the last but one.
    fn turn_epoch(&self) -> bool {
        let next = self.epoch.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.slot(next.wrapping_add(1)).load(Ordering::Relaxed) > 0
    }

    fn note_read(&self) {
        if self.under_way.load(Ordering::Relaxed) == 0 {
            self.has_read.store(true, Ordering::Relaxed);
        }
    }

    fn note_write(&self, polled: &Poll<io::Result<usize>>) {
        let is_stalled = polled.is_pending();
        self.is_stalled.store(is_stalled, Ordering::Relaxed);
        if !is_stalled {
            self.has_written.store(true, Ordering::Relaxed);
        }
    }
}

/// A request that is under way as long as this lives.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    /// It has been idle for long enough; it may say goodbye.
    Close,
    /// It takes no answers or sends no whole head.
    Cut,
}

/// How often in a row a connection was found in each state.
#[derive(Debug)]
pub(super) struct Judge {
    patience: Patience,
    /// HTTP/2 has frames outside any request, so that bytes say nothing about a head there.
    has_heads: bool,
    looks: u32,
    in_head: u32,
    idle: u32,
    stalled: u32,
}

impl Judge {
    pub(super) const fn new(patience: Patience, has_heads: bool) -> Self {
        Self {
            patience,
            has_heads,
            looks: 0,
            in_head: 0,
            idle: 0,
            stalled: 0,
        }
    }

    pub(super) fn look(&mut self, activity: &Activity) -> Verdict {
        let has_written = activity.has_written.swap(false, Ordering::Relaxed);
        let is_stalled = activity.is_stalled.load(Ordering::Relaxed) && !has_written;
        self.stalled = if is_stalled { self.stalled + 1 } else { 0 };
        let is_busy = activity.has_begun.swap(false, Ordering::Relaxed)
            || activity.under_way.load(Ordering::Relaxed) > 0;
        self.idle = if is_busy { 0 } else { self.idle + 1 };
        let in_head = self.has_heads && !is_busy && activity.has_read.load(Ordering::Relaxed);
        self.in_head = if in_head { self.in_head + 1 } else { 0 };
        self.looks += 1;
        if self.looks.is_multiple_of(EPOCH_LOOKS) && activity.turn_epoch() {
            return Verdict::Cut;
        }
        // The first look may come right after the state began, so that it counts for nothing.
        let is_over =
            |looks: u32, limit| self.patience.look_every * looks.saturating_sub(1) >= limit;
        if is_over(self.stalled, self.patience.stall) || is_over(self.in_head, self.patience.head) {
            return Verdict::Cut;
        }
        if is_over(self.idle, self.patience.idle) {
            return Verdict::Close;
        }
        Verdict::Keep
    }
}

/// A socket whose bytes are noted.
#[derive(Debug)]
pub(super) struct Watched<S> {
    socket: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) const fn new(socket: S, activity: Arc<Activity>) -> Self {
        Self { socket, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.note_read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.activity.note_write(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.activity.note_write(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// In which pieces a body is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pieces {
    /// HTTP/1.1: what can't be sent fills the socket, which shows.
    AsTheyCome,
    /// HTTP/2: a piece is accepted as soon as the client's window is open by one byte, and the rest of
    /// it waits unseen, while the last piece ends the request. So pieces are small, and the last byte
    /// of a page goes alone: it isn't accepted before the window was open for all that is before it.
    UntilTaken,
}

/// A frame of HTTP/2 is no larger unless the client wishes it (RFC 9113, 4.2): larger pieces would
/// make no fewer frames. A client that takes one of them in a minute is served for ever.
const PIECE_BYTES_MAX: usize = 16 * 1024;
/// What may wait unseen: not worth a frame of its own, as the events of a feed and short answers.
const UNSEEN_BYTES_MAX: usize = 1024;

/// An answer's body; its request is under way until the last of it was handed over.
#[derive(Debug)]
pub(super) struct WatchedBody {
    body: Body,
    pieces: Pieces,
    /// What is left of the frame that is being handed over.
    rest: Bytes,
    under_way: UnderWay,
    /// The epoch in which a part was handed over, until more is asked for.
    handed: Option<u32>,
}

impl WatchedBody {
    pub(super) const fn new(body: Body, under_way: UnderWay, pieces: Pieces) -> Self {
        Self {
            body,
            pieces,
            rest: Bytes::new(),
            under_way,
            handed: None,
        }
    }

    /// The next piece of what is left of a frame.
    fn piece(&mut self) -> Bytes {
        let bytes = match self.rest.len() {
            all if all <= UNSEEN_BYTES_MAX => all,
            all => PIECE_BYTES_MAX.min(all - 1),
        };
        self.rest.split_to(bytes)
    }

    fn note_asked(&mut self) {
        if let Some(epoch) = self.handed.take() {
            let slot = self.under_way.0.slot(epoch);
            slot.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn note_handed(&mut self) {
        let activity = &self.under_way.0;
        let epoch = activity.epoch.load(Ordering::Relaxed);
        activity.slot(epoch).fetch_add(1, Ordering::Relaxed);
        self.handed = Some(epoch);
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.note_asked();
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.note_asked();
        if !self.rest.is_empty() {
            self.note_handed();
            return Poll::Ready(Some(Ok(Frame::data(self.piece()))));
        }
        let mut polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled {
            self.note_handed();
            if let (Pieces::UntilTaken, Some(data)) = (self.pieces, frame.data_mut()) {
                self.rest = std::mem::take(data);
                *data = self.piece();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut both = SizeHint::new();
        both.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            both.set_upper(upper + rest);
        }
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks until the connection is to go; how many it took.
    fn looks_until(judge: &mut Judge, activity: &Activity, verdict: Verdict) -> u32 {
        for looks in 1..=100 {
            let seen = judge.look(activity);
            if seen != Verdict::Keep {
                assert_eq!(seen, verdict);
                return looks;
            }
        }
        panic!("never");
    }

    fn judge() -> Judge {
        Judge::new(Patience::default(), true)
    }

    #[test]
    fn a_head_that_trickles_in_is_cut_off_after_ten_to_fifteen_seconds() {
        let activity = Arc::new(Activity::default());
        activity.note_read();
        assert_eq!(looks_until(&mut judge(), &activity, Verdict::Cut), 3);
    }

    #[test]
    fn an_idle_connection_is_closed_after_its_minute_and_each_request_begins_it_anew() {
        let activity = Arc::new(Activity::default());
        let mut judge = judge();
        for _ in 0..10 {
            assert_eq!(judge.look(&activity), Verdict::Keep);
        }
        activity.note_read();
        drop(activity.begin());
        assert_eq!(looks_until(&mut judge, &activity, Verdict::Close), 17);
    }

    #[test]
    fn a_stream_of_events_may_be_silent_for_as_long_as_it_likes() {
        let activity = Arc::new(Activity::default());
        let _stream = activity.begin();
        let mut judge = judge();
        assert!((0..1_000).all(|_| judge.look(&activity) == Verdict::Keep));
    }

    #[tokio::test]
    async fn a_body_that_waits_for_its_client_is_cut_off_however_much_else_moves() {
        let activity = Arc::new(Activity::default());
        let mut body = WatchedBody::new(Body::from("page"), activity.begin(), Pieces::UntilTaken);
        let mut judge = Judge::new(Patience::default(), false);
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut context).is_ready());
        for looks in 1.. {
            activity.note_write(&Poll::Ready(Ok(1)));
            drop(activity.begin());
            if judge.look(&activity) == Verdict::Cut {
                assert!((24..=36).contains(&looks), "{looks}");
                break;
            }
        }
        // One that is taken is none of those, however long the connection lasts.
        drop(body);
        let mut body = WatchedBody::new(Body::from("page"), activity.begin(), Pieces::UntilTaken);
        for _ in 0..100 {
            assert!(Pin::new(&mut body).poll_frame(&mut context).is_ready());
            assert_eq!(judge.look(&activity), Verdict::Keep);
        }
    }

    #[test]
    fn in_http_2_a_page_comes_in_small_pieces_and_its_last_byte_alone() {
        let lengths = |bytes: usize, pieces| {
            let activity = Arc::new(Activity::default());
            let page = Body::from(vec![b'x'; bytes]);
            let mut body = WatchedBody::new(page, activity.begin(), pieces);
            let mut context = Context::from_waker(std::task::Waker::noop());
            let mut lengths = Vec::new();
            while !body.is_end_stream() {
                let left = body.size_hint().exact().unwrap();
                let polled = Pin::new(&mut body).poll_frame(&mut context);
                let Poll::Ready(Some(Ok(frame))) = polled else {
                    panic!("{polled:?}");
                };
                lengths.push(frame.into_data().unwrap().len());
                let now_left = body.size_hint().exact().unwrap();
                assert_eq!(left - now_left, *lengths.last().unwrap() as u64);
            }
            lengths
        };
        let (whole, pieces) = (Pieces::AsTheyCome, Pieces::UntilTaken);
        assert_eq!(lengths(40_000, whole), [40_000]);
        assert_eq!(lengths(40_000, pieces), [16_384, 16_384, 7_231, 1]);
        assert_eq!(lengths(1_025, pieces), [1_024, 1]);
        assert_eq!(lengths(1_024, pieces), [1_024]);
        assert_eq!(lengths(0, pieces), <[usize; 0]>::default());
    }

    #[test]
    fn an_answer_that_nobody_takes_is_cut_off_and_one_that_is_taken_slowly_is_not() {
        let activity = Arc::new(Activity::default());
        let _answer = activity.begin();
        let mut judge = judge();
        for _ in 0..20 {
            activity.note_write(&Poll::Ready(Ok(1)));
            activity.note_write(&Poll::Pending);
            assert_eq!(judge.look(&activity), Verdict::Keep);
        }
        assert_eq!(looks_until(&mut judge, &activity, Verdict::Cut), 7);
    }
}

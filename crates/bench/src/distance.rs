//! A TCP proxy before something that is a distance away: all that is said arrives later, in order,
//! and as much of it as without.
//!
//! Threads and not tasks: a runtime's timers are right to a millisecond, which is all of the distance.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Pieces under way in one direction: 64 MB at most, far more than is said in some milliseconds.
const UNDER_WAY_MAX: usize = 1_024;
const PIECE_BYTES: usize = 64 * 1024;

/// What was said, and when it arrives.
type Piece = (Instant, Vec<u8>);

/// Starts a proxy before a port of this machine, on a port of its own, which it returns. Each way
/// takes `delay`. It ends with the process.
pub(crate) fn before(port: u16, delay: Duration) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own = listener.local_addr()?.port();
    thread::Builder::new()
        .name("distance".to_owned())
        .spawn(move || {
            for near in listener.incoming().flatten() {
                // Whoever knocked sees that nobody is there, and knocks again.
                if let Ok(far) = TcpStream::connect(("127.0.0.1", port)) {
                    let _ = converse(&near, &far, delay);
                }
            }
        })?;
    Ok(own)
}

fn converse(near: &TcpStream, far: &TcpStream, delay: Duration) -> Result<()> {
    for socket in [near, far] {
        socket.set_nodelay(true)?;
    }
    for (from, to) in [(near, far), (far, near)] {
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        let (departs, arrives) = mpsc::sync_channel(UNDER_WAY_MAX);
        thread::spawn(move || listen(from, &departs, delay));
        thread::spawn(move || tell(to, &arrives));
    }
    Ok(())
}

fn listen(mut from: TcpStream, departs: &SyncSender<Piece>, delay: Duration) {
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let piece = buffer.get(..length).unwrap_or_default().to_vec();
        if departs.send((Instant::now() + delay, piece)).is_err() {
            return;
        }
    }
}

fn tell(mut to: TcpStream, arrives: &Receiver<Piece>) {
    for (due, piece) in arrives {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    // Both sides learn that it is over; one that has ended already is no error.
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(20);

    /// Something that says again what it hears, behind a distance.
    fn echo() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (from, _) = listener.accept().unwrap();
            let mut to = from.try_clone().unwrap();
            std::io::copy(&mut &from, &mut to)
        });
        TcpStream::connect(("127.0.0.1", before(port, DELAY).unwrap())).unwrap()
    }

    #[test]
    fn a_word_there_and_back_takes_both_ways() {
        let mut stream = echo();
        let begun = Instant::now();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        let took = begun.elapsed();
        assert!(took >= 2 * DELAY, "{took:?}");
        // A machine with other work may be late, but not by another way.
        assert!(took < 8 * DELAY, "{took:?}");
    }

    #[test]
    fn many_words_take_hardly_longer_than_one() {
        const WORDS: u32 = 200;
        let mut stream = echo();
        let begun = Instant::now();
        let mut speaking = stream.try_clone().unwrap();
        let speaker = thread::spawn(move || {
            for word in 0..WORDS {
                speaking.write_all(&word.to_be_bytes()).unwrap();
                thread::sleep(Duration::from_micros(50));
            }
        });
        for word in 0..WORDS {
            let mut heard = [0; 4];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(u32::from_be_bytes(heard), word);
        }
        let took = begun.elapsed();
        speaker.join().unwrap();
        assert!(took < WORDS * DELAY / 4, "{took:?}");
    }
}

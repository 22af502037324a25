use tokio::net::TcpListener;

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// A server that sends these pieces, each after its own request, and then closes.
async fn answering(pieces: Vec<Vec<&'static [u8]>>) -> Connection {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = vec![0; REQUEST.len()];
        for answer in pieces {
            socket.read_exact(&mut request).await.unwrap();
            for piece in answer {
                socket.write_all(piece).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    Connection::open(address).await.unwrap()
}

#[tokio::test]
async fn lengths_and_chunks_are_read_on_one_connection_however_they_are_cut() {
    let mut connection = answering(vec![
        vec![b"HTTP/1.1 201 Created\r\nContent-", b"Length: 5\r\nIdempotent-Replayed: true\r\n\r\nhe", b"llo"],
        vec![
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab",
            b"c\r\n10",
            b"\r\n0123456789abcdef\r\n0\r\n",
            b"\r\n",
        ],
        vec![b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"],
    ])
    .await;
    let created = connection.exchange(REQUEST).await.unwrap();
    assert_eq!(
        (created.status, created.replayed, created.body),
        (201, true, &b"hello"[..])
    );
    let chunked = connection.exchange(REQUEST).await.unwrap();
    assert_eq!(chunked.body, b"abc0123456789abcdef");
    assert!(!chunked.closes && !chunked.replayed);
    let busy = connection.exchange(REQUEST).await.unwrap();
    assert_eq!((busy.status, busy.closes), (503, true));
    assert_eq!(busy.retry_after, Some(Duration::from_secs(2)));
    assert_eq!(busy.body, b"");
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    let mut connection = answering(vec![vec![b"HTTP/1.1 200 OK\r\n\r\nall ", b"of it"]]).await;
    let answer = connection.exchange(REQUEST).await.unwrap();
    assert_eq!((answer.body, answer.closes), (&b"all of it"[..], true));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_none_is_an_error() {
    for pieces in [
        vec![],
        vec![&b"HTTP/1.1 201 Cre"[..]],
        vec![b"HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\nhalf"],
        vec![b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"],
        vec![b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno size\r\n"],
        vec![b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n"],
        vec![b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"],
        vec![b"220 mail.example.org ESMTP\r\n"],
    ] {
        let mut connection = answering(vec![pieces.clone()]).await;
        assert!(connection.exchange(REQUEST).await.is_err(), "{pieces:?}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_read_part_by_part() {
    let mut connection = answering(vec![vec![
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"6\r\ndata:1\r\n6\r\nda",
        b"ta:2\r\n",
        b"0\r\n\r\n",
    ]])
    .await;
    assert_eq!(connection.subscribe(REQUEST).await.unwrap(), 200);
    let mut all = Vec::new();
    while let Some(part) = connection.next_part().await.unwrap() {
        all.extend_from_slice(part);
    }
    assert_eq!(all, b"data:1data:2");
}

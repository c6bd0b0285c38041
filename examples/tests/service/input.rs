//! Requests that are wrong: each gets an answer that says why, and leaves nothing behind.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::kit::Service;

crate::on_both_stores!(
    a_wrong_body_is_refused,
    a_wrong_request_is_refused,
    noise_leaves_the_service_standing,
);

const JSON: &str = "application/json";

fn a_wrong_body_is_refused(service: &mut Service) {
    let named = |length: usize| format!(r#"{{"name":"{}"}}"#, "x".repeat(length));
    let cases = [
        (JSON, r#"{"name":"Ada""#, 400, "malformed_json"),
        (JSON, "name=Ada", 400, "malformed_json"),
        (JSON, r#"{"name":"Ada"} {}"#, 400, "malformed_json"),
        (JSON, r#"{"name":"\ud800"}"#, 400, "malformed_json"),
        (JSON, &"[".repeat(10_000), 422, "bad_body"),
        (JSON, "{}", 422, "bad_body"),
        (JSON, "null", 422, "bad_body"),
        (JSON, r#"{"name":7}"#, 422, "bad_body"),
        (JSON, r#"{"name":"a","name":"b"}"#, 422, "bad_body"),
        (JSON, r#"{"name":"Ada","id":7}"#, 422, "bad_body"),
        (JSON, r#"{"name":"  "}"#, 422, "bad_name"),
        (JSON, r#"{"name":"a\u0000b"}"#, 422, "bad_name"),
        (JSON, &named(51), 422, "bad_name"),
        (JSON, &named(1024 * 1024), 413, "body_too_large"),
        ("text/plain", r#"{"name":"Ada"}"#, 415, "not_json"),
        ("", r#"{"name":"Ada"}"#, 415, "not_json"),
    ];
    let user = service.register("Grace");
    let path = format!("/api/users/{user}");
    for (content_type, body, status, code) in cases {
        for (method, path) in [("POST", "/api/users"), ("PUT", &path)] {
            let content_type = Some(content_type).filter(|text| !text.is_empty());
            let answer = service.send(method, path, content_type, body.as_bytes());
            let message = answer.expect_error(status, code);
            // It may repeat what was sent, but not all of a megabyte.
            assert!(message.chars().count() <= 501, "{message}");
        }
    }
    assert_eq!(service.get(&path).expect(200)["name"], "Grace");
    assert_eq!(service.register("Ada"), user + 1, "one of them made a user");
}

fn a_wrong_request_is_refused(service: &mut Service) {
    let cases = [
        ("GET", "/", 404, "unknown_route"),
        ("GET", "/api/actors", 404, "unknown_route"),
        ("GET", "/api/films/", 404, "unknown_route"),
        ("GET", "/api/users", 405, "method_not_allowed"),
        ("DELETE", "/api/users/top", 405, "method_not_allowed"),
        ("DELETE", "/api/films/1", 405, "method_not_allowed"),
        ("GET", "/api/users/1.5", 400, "bad_id"),
        ("GET", "/api/users/99999999999999999999", 400, "bad_id"),
        ("GET", "/api/users/1%20", 400, "bad_id"),
        ("GET", "/api/users/%ff", 400, "bad_path"),
        ("DELETE", "/api/users/me", 400, "bad_id"),
        ("GET", "/api/films/abc", 400, "bad_id"),
        ("POST", "/api/films/abc/ratings", 400, "bad_id"),
        ("GET", "/api/films?page=two", 400, "bad_query"),
        ("GET", "/api/films?page=-1", 400, "bad_query"),
        ("GET", "/api/films?page=4294967296", 400, "bad_query"),
        ("GET", "/api/films?sort=title", 400, "bad_query"),
        ("GET", "/api/films?page=1&page=2", 400, "bad_query"),
    ];
    for (method, path, status, code) in cases {
        let answer = service.send(method, path, None, b"");
        answer.expect_error(status, code);
        assert_eq!(answer.allow.is_some(), status == 405, "{answer:?}");
    }
}

fn noise_leaves_the_service_standing(service: &mut Service) {
    let promised_more = "POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"name\":\"Ada\"}";
    for noise in ["", "\r\n", "\0\u{1}\u{2}", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", promised_more] {
        let mut stream = TcpStream::connect(service.address()).expect("the service listens");
        stream.write_all(noise.as_bytes()).expect("it is sent");
        stream.shutdown(std::net::Shutdown::Write).expect("it ends");
        let mut answer = Vec::new();
        // An answer or a closed connection: either will do.
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    service.get("/api/users/1").expect_error(404, "unknown_user");
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

//! What is named on S3 and is not there is a mistake of the operator, unlike an
//! endpoint that denies or cannot be reached.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::bench::rebucket;

/// An endpoint that answers each request with this error.
fn endpoint(status: u16, code: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // No request of these commands has a body that would be waited for.
            for line in BufReader::new(&stream).lines() {
                if line.unwrap_or_default().is_empty() {
                    break;
                }
            }
            let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/xml\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            // It may have gone away.
            stream.write_all((head + &body).as_bytes()).ok();
        }
    });
    address
}

#[test]
fn an_input_that_is_not_there_is_told_from_one_that_is_denied() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "source,destination\ns3://bkt/a,s3://bkt/b\n";
    fs::write(folder.path().join("m.csv"), rows).unwrap();
    for (status, code, expected) in [
        (404, "NoSuchKey", 2),
        (404, "NoSuchBucket", 2),
        (403, "AccessDenied", 3),
    ] {
        let address = endpoint(status, code);
        let run = |args: &str| {
            let mut command = rebucket(folder.path(), args.split(' '));
            command
                .env("AWS_ENDPOINT_URL", &address)
                .env("AWS_REGION", "us-east-1")
                .env("AWS_ACCESS_KEY_ID", "key")
                .env("AWS_SECRET_ACCESS_KEY", "secret")
                .env("REBUCKET_QUEUE_URL", format!("{address}/q"));
            command.output().unwrap()
        };
        for args in [
            "plan s3://bkt/none.csv",
            "estimate s3://bkt/none.csv",
            "submit s3://bkt/none.csv",
            "run s3://bkt/none.csv --report r",
            "map s3://bkt/none/manifest.json --to s3://new",
            "map s3://bkt/none/ --to s3://new",
            "map s3://bkt/none/ --to s3://new --versions latest",
            "plan m.csv --pin list",
            "report s3://bkt/none",
            "undo s3://bkt/none --out -",
        ] {
            let ended = run(args);
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(expected), "{args}: {said}");
            assert!(
                said.contains(code) && said.contains("s3://bkt/"),
                "{args}: {said}"
            );
        }
        // A queue is not one of the inputs.
        let ended = run("submit m.csv");
        assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    }
}

//! Putting and getting files: whole or not at all, and never outside of the place that was named.

#![allow(dead_code, reason = "each test file uses its part of the common file")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use botswain_action::{Action, EffectClass, Need, Outcome};
use botswain_device::{FileGet, FilePut};
use common::{bot, failure, object, output, run};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

fn room() -> (TempDir, PathBuf) {
    let folder = tempdir().expect("a temporary folder");
    let real = folder.path().canonicalize().expect("a real path");
    (folder, real)
}

#[test]
fn a_file_is_put_once_and_a_second_time_changes_nothing() {
    let (_keep, folder) = room();
    let path = folder.join("letter.txt");
    let request = json!({"path": path, "content": "Grüezi 日本\n", "mode": "0640"});
    let first = output(run(&FilePut, &folder, request.clone()));
    assert_eq!(fs::read_to_string(&path).unwrap(), "Grüezi 日本\n");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o640
    );
    assert_eq!(
        (&first["changed"], &first["bytes"]),
        (&json!(true), &json!(15))
    );
    let inode = fs::metadata(&path).unwrap().ino();

    let second = output(run(&FilePut, &folder, request));
    assert_eq!(second["changed"], false);
    assert_eq!(second["sha256"], first["sha256"]);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);

    output(run(
        &FilePut,
        &folder,
        json!({"path": path, "content": "other", "mode": "0640"}),
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), "other");
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        1,
        "nothing may stay beside the file"
    );
}

#[test]
fn a_part_left_by_a_power_cut_is_in_nobodys_way() {
    let (_keep, folder) = room();
    let path = folder.join("a");
    output(run(
        &FilePut,
        &folder,
        json!({"path": path, "content": "1"}),
    ));
    let part = {
        // The name of the part is found by making the rename fail: the target becomes a folder only after the look.
        use sha2::Digest;
        format!(".{}.part", hex::encode(&sha2::Sha256::digest(b"a")[..12]))
    };
    fs::write(folder.join(&part), "half a fi").unwrap();
    output(run(
        &FilePut,
        &folder,
        json!({"path": path, "content": "22"}),
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), "22");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn many_who_put_the_same_file_at_once_leave_one_whole_file() {
    let (_keep, folder) = room();
    let path = folder.join("shared");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (folder, path) = (&folder, &path);
            scope.spawn(move || {
                for _ in 0..20 {
                    output(run(
                        &FilePut,
                        folder,
                        json!({"path": path, "content": number.to_string().repeat(50_000)}),
                    ));
                }
            });
        }
    });
    let content = fs::read_to_string(&path).unwrap();
    assert_eq!(content.len(), 50_000);
    assert_eq!(
        content
            .chars()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        1
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_file_comes_back_as_text_or_base64() {
    let (_keep, folder) = room();
    let path = folder.join("bytes");
    output(run(
        &FilePut,
        &folder,
        json!({"path": path, "content_base64": "/wCA"}),
    ));
    assert_eq!(fs::read(&path).unwrap(), [0xff, 0x00, 0x80]);
    let got = output(run(
        &FileGet,
        &folder,
        json!({"path": path, "encoding": "base64"}),
    ));
    assert_eq!(
        (&got["content"], &got["bytes"]),
        (&json!("/wCA"), &json!(3))
    );
    let (code, message) = failure(run(&FileGet, &folder, json!({"path": path})));
    assert_eq!(code, "encoding");
    assert!(
        message.contains("no UTF-8 text from byte 0 on"),
        "{message}"
    );
}

#[test]
fn files_that_are_too_large_are_refused_both_ways() {
    let (_keep, folder) = room();
    let path = folder.join("large");
    fs::write(&path, vec![b'x'; 2000]).unwrap();
    assert_eq!(
        failure(run(
            &FileGet,
            &folder,
            json!({"path": path, "bytes_max": 1999})
        ))
        .0,
        "file_too_large"
    );
    assert_eq!(
        output(run(
            &FileGet,
            &folder,
            json!({"path": path, "bytes_max": 2000})
        ))["bytes"],
        2000
    );
    let (code, _) = failure(run(
        &FilePut,
        &folder,
        json!({"path": path, "content": "x".repeat(4 * 1024 * 1024 + 1)}),
    ));
    assert_eq!(code, "content");
    assert_eq!(fs::metadata(&path).unwrap().len(), 2000);
}

#[test]
fn no_path_leads_out_of_the_place_that_was_named() {
    let (_keep, folder) = room();
    let (_other, outside) = room();
    fs::write(outside.join("secret"), "hush").unwrap();
    symlink(&outside, folder.join("link")).unwrap();
    symlink(outside.join("secret"), folder.join("file-link")).unwrap();
    let at = |name: &str| format!("{}/{name}", folder.display());
    for (path, code) in [
        (at("link/secret"), "symbolic_link"),
        (at("file-link"), "symbolic_link"),
        (at("../x"), "path"),
        (at("./x"), "path"),
        (at("link/../x"), "path"),
        (at("x/"), "path"),
        (at("gone/x"), "path"),
        ("relative".to_owned(), "path"),
        ("/".to_owned(), "path"),
        (at("nul\0"), "path"),
        (at(&"long/".repeat(1000)), "path"),
    ] {
        let put = failure(run(
            &FilePut,
            &folder,
            json!({"path": path, "content": "x"}),
        ));
        let get = failure(run(&FileGet, &folder, json!({"path": path})));
        assert_eq!(
            (put.0.as_str(), get.0.as_str()),
            (code, code),
            "{path}: {} / {}",
            put.1,
            get.1
        );
    }
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "hush");
    let (_, message) = failure(run(&FileGet, &folder, json!({"path": at("link/secret")})));
    assert!(
        message.contains(&format!(
            "{} is a symbolic link to {}",
            at("link"),
            outside.display()
        )),
        "{message}"
    );
}

#[test]
fn what_is_no_regular_file_is_neither_read_nor_replaced() {
    let (_keep, folder) = room();
    let pipe = folder.join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(folder.join("inner")).unwrap();
    for path in [pipe, folder.join("inner"), PathBuf::from("/dev/zero")] {
        assert!(
            failure(run(&FileGet, &folder, json!({"path": path})))
                .1
                .contains("is not a regular file")
        );
        assert!(
            failure(run(&FilePut, &folder, json!({"path": path, "content": ""})))
                .1
                .contains("is not a regular file")
        );
    }
    assert_eq!(
        failure(run(&FileGet, &folder, json!({"path": folder.join("none")}))).0,
        "file_not_found"
    );
}

#[test]
fn wrong_requests_say_what_would_be_right() {
    let (_keep, folder) = room();
    let path = folder.join("x");
    let cases: [(Value, &str); 6] = [
        (
            json!({"path": path}),
            "give either `content` or `content_base64`",
        ),
        (
            json!({"path": path, "content": "a", "content_base64": "YQ=="}),
            "give either",
        ),
        (json!({"path": path, "content_base64": "*"}), "is no base64"),
        (
            json!({"path": path, "content": "a", "mode": "4755"}),
            "without set-id bits",
        ),
        (
            json!({"path": path, "content": "a", "mode": "rw"}),
            "octal digits",
        ),
        (
            json!({"path": path, "content": "a", "sha256": "00"}),
            "the content's SHA-256 is ca978112",
        ),
    ];
    for (request, expected) in cases {
        let (_, message) = failure(run(&FilePut, &folder, request));
        assert!(
            message.contains(expected),
            "{message} does not contain {expected}"
        );
    }
    assert!(!path.exists());
}

#[test]
fn the_policy_is_asked_about_the_path() {
    let needs = |action: &dyn Action, path: &str| {
        action
            .needs(&object(json!({"path": path})))
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        needs(&FilePut, "/srv/a"),
        Ok(vec![Need::Folder {
            path: "/srv/a".to_owned(),
            write: true
        }])
    );
    assert_eq!(
        needs(&FileGet, "/srv/a"),
        Ok(vec![Need::Folder {
            path: "/srv/a".to_owned(),
            write: false
        }])
    );
    assert!(
        needs(&FileGet, "/srv/../etc/shadow")
            .unwrap_err()
            .contains("no absolute path")
    );
}

#[test]
fn a_bot_works_in_the_attempts_own_folder_without_asking_for_it() {
    let (_keep, folder) = room();
    let steps = r#"
        [[step]]
        file.put = { path = "{{attempt.folder}}/note", content = "{{note}}" }
        [[step]]
        id = "back"
        file.get = { path = "{{attempt.folder}}/note" }
        [output]
        note = "{{steps.back.content}}"
    "#;
    let bot = bot(EffectClass::Idempotent, steps);
    assert_eq!(bot.needs(&object(json!({"note": "x"}))), Ok(Vec::new()));
    assert_eq!(
        run(&bot, &folder, json!({"note": "märz"})),
        Outcome::Succeeded {
            output: object(json!({"note": "märz"}))
        }
    );
}

//! Entity tags, times, ids and choices, as text.

use std::time::Duration;

use proptest::prelude::*;
use rebucket_protocol::{
    ETag, IfExists, JobId, StorageClass, TaskId, Timestamp, VersionPolicy, Waiver,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::samples::{etag, job, task_id, text, timestamp};

fn tag_like() -> impl Strategy<Value = String> {
    let quotes = prop::sample::select(vec!["", "\"", "W/\"", " \"", "\"\"", "&quot;"]);
    let inner = prop_oneof![
        text(),
        etag().prop_map(|tag| tag.to_header().replace('"', ""))
    ];
    (quotes.clone(), inner, quotes).prop_map(|(open, inner, close)| format!("{open}{inner}{close}"))
}

fn time_like() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\
         (\\.[0-9]{1,12})?(Z|z|[+-][0-2][0-9]:[0-6][0-9]|)",
        "(0000|9999)-(01-01|12-31)T(00:00:00|23:59:59|23:59:60)(Z|[+-](00:01|23:59))",
        text(),
    ]
}

/// A choice as JSON and as a word of the command line are the same word.
fn check_word<T>(word: &str) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + std::str::FromStr + PartialEq + std::fmt::Debug,
{
    let spoken = word.parse::<T>().ok();
    let wired: Option<T> = serde_json::from_value(word.into()).ok();
    prop_assert_eq!(&spoken, &wired, "{}", word);
    if let Some(choice) = spoken {
        prop_assert_eq!(serde_json::to_value(choice).unwrap(), word);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_tag_is_a_header_or_refused(raw in tag_like()) {
        if let Ok(tag) = ETag::new(&raw) {
            let header = tag.to_header();
            prop_assert!(header.len() > 2, "an empty tag from {:?}", raw);
            prop_assert!(header.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(header.matches('"').count(), 2, "{}", header);
            prop_assert!(raw.contains(header.trim_matches('"')));
        }
    }

    #[test]
    fn a_tag_is_the_same_with_and_without_quotes(tag in etag()) {
        let (quoted, bare) = (tag.to_header(), tag.to_header().replace('"', ""));
        prop_assert_eq!(&ETag::new(&quoted).unwrap(), &tag);
        prop_assert_eq!(&ETag::new(&bare).unwrap(), &tag);
        prop_assert_eq!(&ETag::new(&format!(" {quoted}\t")).unwrap(), &tag);
        let json = serde_json::to_string(&tag).unwrap();
        prop_assert_eq!(&serde_json::from_str::<ETag>(&json).unwrap(), &tag);
    }

    #[test]
    fn a_part_count_is_the_number_after_the_last_dash(
        digest in "[0-9a-f]{32}",
        parts in prop_oneof![0_u64..10_001, any::<u64>()],
    ) {
        let tag = ETag::new(&format!("{digest}-{parts}")).unwrap();
        prop_assert_eq!(tag.part_count(), u32::try_from(parts).ok().filter(|n| *n > 0));
        prop_assert!(tag.looks_like_md5());
        prop_assert_eq!(ETag::new(&digest).unwrap().part_count(), None);
    }

    #[test]
    fn a_time_is_read_as_it_is_written(at in timestamp()) {
        prop_assert_eq!(Timestamp::try_from(at.to_string()), Ok(at));
        prop_assert_eq!(Timestamp::from_unix(at.unix_seconds(), at.subsec_nanos()), Some(at));
        let whole = at.ceil_second();
        if at.unix_seconds() < 253_402_300_799 {
            prop_assert!(whole >= at && whole.subsec_nanos() == 0);
            prop_assert!(whole.unix_seconds() - at.unix_seconds() <= 1);
        }
    }

    #[test]
    fn a_text_is_one_time_or_refused(text in time_like()) {
        if let Ok(at) = Timestamp::try_from(text.clone()) {
            prop_assert_eq!(Timestamp::try_from(at.to_string()), Ok(at), "{}", text);
            prop_assert!(at.to_string().ends_with('Z'));
        }
    }

    #[test]
    fn a_number_is_one_time_or_none(
        millis in prop_oneof![any::<i64>(), -70_000_000_000_000_i64..260_000_000_000_000],
        seconds in prop_oneof![any::<i64>(), -70_000_000_000_i64..260_000_000_000],
        nanos in prop_oneof![0_u32..1_000_000_000, any::<u32>()],
    ) {
        // The years 0 to 9999.
        let written = |seconds: i64| (-62_167_219_200..=253_402_300_799).contains(&seconds);
        let at = Timestamp::from_unix_millis(millis);
        prop_assert_eq!(at.is_some(), written(millis.div_euclid(1000)));
        if let Some(at) = at {
            let back = at.unix_seconds() * 1000 + i64::from(at.subsec_nanos() / 1_000_000);
            prop_assert_eq!(back, millis);
        }
        let at = Timestamp::from_unix(seconds, nanos);
        prop_assert_eq!(at.is_some(), written(seconds) && nanos < 1_000_000_000);
        if let Some(at) = at {
            prop_assert_eq!((at.unix_seconds(), at.subsec_nanos()), (seconds, nanos));
        }
    }

    #[test]
    fn an_earlier_time_is_earlier(at in timestamp(), by in 0_u64..4_000_000_000) {
        let by = Duration::from_secs(by);
        let earlier = at.saturating_sub(by);
        prop_assert!(earlier <= at);
        let apart = at.unix_seconds() - earlier.unix_seconds();
        prop_assert!(apart.unsigned_abs() <= by.as_secs());
    }

    #[test]
    fn an_earlier_time_can_be_written_too(at in timestamp(), by in any::<Duration>()) {
        let earlier = at.saturating_sub(by);
        prop_assert_eq!(Timestamp::try_from(earlier.to_string()), Ok(earlier));
        let later = at.saturating_add(by);
        prop_assert_eq!(Timestamp::try_from(later.to_string()), Ok(later));
    }

    #[test]
    fn ids_survive_and_a_task_knows_its_job(
        (job, task) in job().prop_flat_map(|job| (Just(job.clone()), task_id(&job))),
        row in any::<u64>(),
    ) {
        prop_assert_eq!(task.job(), job.as_str());
        prop_assert_eq!(&TaskId::try_from(task.to_string()).unwrap(), &task);
        prop_assert_eq!(TaskId::for_row(&job, row).row(), Some(row));
    }

    #[test]
    fn an_id_cannot_leave_its_folder(
        id in prop_oneof![text(), "[a-zA-Z0-9._-]{0,130}", "[a./\\\\ -]{1,12}", "[A-Z0-9_-]{0,66}"],
    ) {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if let Ok(job) = JobId::new(id.as_str()) {
            prop_assert_eq!(job.as_str(), id.as_str());
            prop_assert!(id.bytes().all(legal) && !id.starts_with('.'));
        }
        if let Ok(task) = TaskId::try_from(id.clone()) {
            prop_assert_eq!(task.as_str(), id.as_str());
            prop_assert!(JobId::new(task.job()).is_ok());
            prop_assert_eq!(id.matches('/').count(), 1);
        }
        if let Ok(class) = StorageClass::new(id.as_str()) {
            prop_assert_eq!(class.as_str(), id.as_str());
        }
    }

    #[test]
    fn choices_are_the_same_words_everywhere(
        word in prop_oneof![
            prop::sample::select(vec![
                "fail", "skip", "overwrite", "marker", "purge", "acl", "tags", "lock",
                "storage_class", "redirect", "encryption", "metadata", "checksum", "annotations",
                "Fail", "SKIP", "storage-class", "", " acl",
            ]).prop_map(str::to_owned),
            text(),
        ],
    ) {
        check_word::<IfExists>(&word)?;
        check_word::<VersionPolicy>(&word)?;
        check_word::<Waiver>(&word)?;
    }
}

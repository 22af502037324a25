//! What both languages must agree on, and how they write what they show.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::*;

/// Each message's key with the names of its arguments.
fn messages(lang: Lang) -> BTreeMap<String, BTreeSet<String>> {
    let folder = root().join("locales").join(lang.as_str());
    let mut files = vec![folder.with_extension("ftl")];
    files_under(folder, &mut files);
    let sources = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let source = sources.collect::<Vec<_>>().join("\n");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut key = String::new();
    for line in source.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, _)) = line.split_once(" =").filter(|_| !line.starts_with(' ')) {
            key = name.to_owned();
            assert!(
                found.insert(key.clone(), BTreeSet::new()).is_none(),
                "{key} appears twice"
            );
        }
        for part in line.split('$').skip(1) {
            let name = part.chars().take_while(char::is_ascii_lowercase).collect();
            found.entry(key.clone()).or_default().insert(name);
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_under(folder: PathBuf, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(path, found);
        } else {
            found.push(path);
        }
    }
}

/// Everything between double quotes in templates and sources.
fn quoted_words() -> BTreeSet<String> {
    let mut files = Vec::new();
    files_under(root().join("templates"), &mut files);
    files_under(root().join("src"), &mut files);
    files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .flat_map(|source| source.split('"').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn both_languages_have_the_same_keys_and_arguments() {
    let (english, thai) = (messages(Lang::En), messages(Lang::Th));
    assert!(
        english.len() > 60,
        "the file wasn't read: {} keys",
        english.len()
    );
    assert_eq!(english, thai);
}

#[test]
fn no_text_is_empty_and_none_is_a_key() {
    for lang in Lang::ALL {
        for (key, arguments) in messages(lang) {
            let text = if arguments.contains("count") {
                lang.count(&key, 2)
            } else {
                let values: Vec<_> = [
                    "time",
                    "limit",
                    "available",
                    "title",
                    "id",
                    "site",
                    "artist",
                    "concert",
                    "email",
                    "number",
                    "total",
                    "name",
                    "names",
                    "note",
                    "date",
                    "venue",
                    "shown",
                    "from",
                    "to",
                    "least",
                    "sold",
                    "held",
                    "tickets",
                    "amount",
                    "days",
                    "paid",
                    "ended",
                    "rate",
                    "large",
                    "small",
                    "of",
                    "highest",
                    "last",
                ]
                .map(|name| (name, "x"))
                .into();
                lang.text_with(&key, &values)
            };
            assert!(
                !text.is_empty() && text != key && !text.contains('{'),
                "{lang:?} {key}: {text}"
            );
        }
    }
}

#[test]
fn every_text_is_used() {
    // What was done stands in an address: `frame::done(path, "saved")` says `said-saved`.
    let mut words = quoted_words();
    let said: Vec<_> = words.iter().map(|word| format!("said-{word}")).collect();
    words.extend(said);
    let figures = domain::health::Name::ALL.into_iter();
    words.extend(figures.map(|name| format!("health-{}", name.as_str())));
    let groups = domain::health::Group::ALL.into_iter();
    words.extend(groups.map(|group| format!("health-group-{}", group.as_str())));
    let unused: Vec<_> = messages(Lang::En)
        .into_keys()
        .filter(|key| !words.contains(key))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn every_key_that_is_used_exists() {
    let keys = messages(Lang::En);
    let mut files = Vec::new();
    files_under(root().join("templates"), &mut files);
    files_under(root().join("src/shop"), &mut files);
    files_under(root().join("src/staff"), &mut files);
    files.push(root().join("src/http/page.rs"));
    files.push(root().join("src/setup.rs"));
    let mut checked = 0;
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        for call in [".t(\"", "lang.text(\"", ".text_with(\"", ".count(\""] {
            for rest in source.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                assert!(keys.contains_key(key), "{}: {key}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 40, "only {checked} uses were found");
}

#[test]
fn plurals_follow_the_language() {
    assert_eq!(Lang::En.count("tickets", 1), "1 ticket");
    assert_eq!(Lang::En.count("tickets", 45_000), "45,000 tickets");
    assert_eq!(Lang::Th.count("tickets", 1), "1 ใบ");
}

#[test]
fn dates_carry_weekday_and_era() {
    let day = date(2026, 12, 12);
    assert_eq!(Lang::En.date_short(day), "Sat 12 Dec 2026");
    assert_eq!(Lang::Th.date_short(day), "ส. 12 ธ.ค. 2569");
    assert_eq!(Lang::En.date_long(day), "Saturday 12 December 2026");
    assert_eq!(Lang::Th.date_long(day), "วันเสาร์ที่ 12 ธันวาคม 2569");
    assert_eq!(Lang::En.month(day), "December 2026");
    assert_eq!(Lang::Th.month(day), "ธันวาคม 2569");
    assert_eq!(Lang::Th.date_short(date(2027, 1, 3)), "อา. 3 ม.ค. 2570");
}

#[test]
fn times_are_those_of_the_concerts_place() {
    let at = "2026-12-12T12:42:59Z".parse().unwrap();
    assert_eq!(
        Lang::En.time(at, &TimeZone::get("Asia/Bangkok").unwrap()),
        "19:42"
    );
    assert_eq!(Lang::Th.time(at, &TimeZone::UTC), "12:42");
}

#[test]
fn money_looks_like_a_price_tag() {
    for (minor, text) in [
        (125_000, "฿1,250"),
        (125_050, "฿1,250.50"),
        (5, "฿0.05"),
        (9_999_999_999, "฿99,999,999.99"),
    ] {
        assert_eq!(money(minor, "THB"), text);
    }
    assert_eq!(money(9_000, "CHF"), "CHF\u{a0}90");
    assert_eq!(
        [number(0), number(999), number(-1_000), number(45_000)],
        ["0", "999", "-1,000", "45,000"]
    );
}

#[test]
fn the_cookie_decides_before_the_browser_and_english_last() {
    let cases = [
        (None, None, Lang::En),
        (None, Some("th-TH,th;q=0.9,en;q=0.8"), Lang::Th),
        (None, Some("en;q=0.4, TH;q=0.7"), Lang::Th),
        (None, Some("de,fr;q=0.8,*;q=0.1"), Lang::En),
        (None, Some("th;q=0, en;q=0.1"), Lang::En),
        (None, Some("th;q=nonsense"), Lang::En),
        (Some("th"), Some("en"), Lang::Th),
        (Some("xx"), Some("th"), Lang::Th),
    ];
    for (cookie, header, wanted) in cases {
        assert_eq!(
            Lang::negotiate(cookie, header),
            wanted,
            "{cookie:?} {header:?}"
        );
    }
    assert_eq!("TH".parse::<Lang>(), Err(UnknownLang));
}

//! When issues go out: at their slot, once a day, through clock changes, outages and clocks that are set back.

use crate::daybreak::{Daybreak, Kind, everywhere, on_postgres, on_sqlite, recipients};
use crate::feeds::{Feeds, Item, rss};
use crate::sink::Sink;

/// A newsletter at an hour with one reader and a feed.
async fn brief(daybreak: &mut Daybreak, at: &str, zone: &str, days: &str) -> (Sink, Feeds) {
    let (sink, feeds) = (daybreak.sink().await, Feeds::start().await);
    daybreak.newsletter(&[]).await;
    daybreak.schedule(at, zone, days).await;
    daybreak.readers("email\nann@example.net\n").await;
    daybreak.source(&feeds, "/feed", &[Item::new("The first story")]).await;
    (sink, feeds)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daily_issue_goes_out_at_its_slot_and_once() {
    everywhere(async |daybreak| {
        let (sink, feeds) = brief(daybreak, "07:00", "Europe/Paris", "daily").await;
        daybreak.serve_once("2026-03-02T05:59:00Z").await;
        assert_eq!(sink.accepted().len(), 0, "nobody gets it before its slot");
        for time in ["2026-03-02T06:00:00Z", "2026-03-02T06:00:30Z", "2026-03-02T23:00:00Z"] {
            daybreak.serve_once(time).await;
            assert_eq!(recipients(&sink), ["ann@example.net"], "at {time}");
        }
        feeds.answer("/feed", rss(&[Item::new("The second story")]));
        daybreak.serve_once("2026-03-03T05:58:00Z").await;
        assert_eq!(sink.accepted().len(), 1);
        daybreak.serve_once("2026-03-03T06:00:00Z").await;
        assert_eq!(sink.accepted().len(), 2);
        assert_eq!(daybreak.slots("brief", "sent").await, ["2026-03-02T06:00:00Z", "2026-03-03T06:00:00Z"]);
    })
    .await;
}

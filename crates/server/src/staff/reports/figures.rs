//! The figures of a report as people read them: a sentence, a chart, and a table with the same numbers.

use app::reports::tables::Figure;
use app::reports::{ConcertSales, DaySales, Report};
use domain::money::{Currency, Total};
use domain::report::{Outcome, Sales, Share, Sum};
use jiff::SignedDuration;

use super::PATH;
use crate::i18n::{Lang, money, number};
use crate::staff::chart::{DayChart, Named, RowChart};
use crate::staff::exports::{Takeaway, links};
use crate::staff::frame::Frame;

/// A number that is worth a line of its own.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
}

/// One figure, ready to print.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) id: &'static str,
    pub(super) title: String,
    /// What there is to see, also for those who can't.
    pub(super) sentence: String,
    pub(super) by_day: Option<Days>,
    pub(super) by_row: Option<RowChart>,
    /// That the chart has no room for all of them.
    pub(super) cut: Option<String>,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) takeaway: Vec<Takeaway>,
}

/// A chart by day, with the days at its ends.
#[derive(Debug)]
pub(super) struct Days {
    pub(super) chart: DayChart,
    pub(super) first: String,
    pub(super) last: String,
}

/// What stands in a table, with the name of its column for windows that are too narrow for columns.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) column: String,
    pub(super) text: String,
}

pub(super) fn facts(frame: &Frame, report: &Report, currency: Currency) -> Vec<Fact> {
    let (sold, back) = (report.total.sold(), report.total.given_back());
    let fact = |key: &str, value| Fact {
        name: frame.t(key),
        value,
    };
    vec![
        fact("rp-tickets-sold", number(sold.tickets)),
        fact("rp-revenue", amount(sold.amount, currency)),
        fact("rp-hold-to-paid", rate(report.total.held_to_paid())),
        fact("rp-given-back", amount(back.amount, currency)),
    ]
}

/// Every figure; without a query there are no files of them.
pub(super) fn parts(
    frame: &Frame,
    report: &Report,
    (currency, query): (Currency, Option<&str>),
) -> Vec<Part> {
    let view = View {
        frame,
        report,
        currency,
    };
    let part = |figure: Figure| {
        let part = match figure {
            Figure::Sales => view.sales(),
            Figure::Fill => view.fill(),
            Figure::Revenue => view.revenue(),
            Figure::Paid => view.paid(),
            Figure::Refunds => view.refunds(),
            Figure::SellOuts => view.sell_outs(),
        };
        let path = format!("{PATH}/{}", figure.as_str());
        Part {
            id: figure.as_str(),
            takeaway: query.map_or_else(Vec::new, |query| links(frame, &path, query)),
            cut: view.told_of_cut(&part),
            ..part
        }
    };
    Figure::ALL.into_iter().map(part).collect()
}

struct View<'a> {
    frame: &'a Frame,
    report: &'a Report,
    currency: Currency,
}

impl View<'_> {
    fn lang(&self) -> Lang {
        self.frame.lang()
    }

    /// A part without a chart, whose columns are named by these keys.
    fn part(&self, title: &str, sentence: String, table: (&[&str], Vec<Vec<String>>)) -> Part {
        let (keys, rows) = table;
        let columns: Vec<String> = keys.iter().map(|key| self.frame.t(key)).collect();
        let row = |row: Vec<String>| {
            let cells = columns.iter().cloned().zip(row);
            let cells = cells.map(|(column, text)| Cell { column, text });
            cells.collect()
        };
        Part {
            id: "",
            title: self.frame.t(title),
            sentence,
            by_day: None,
            by_row: None,
            cut: None,
            rows: rows.into_iter().map(row).collect(),
            columns,
            takeaway: Vec::new(),
        }
    }

    fn told_of_cut(&self, part: &Part) -> Option<String> {
        let chart = part.by_row.as_ref().filter(|chart| chart.left_out > 0)?;
        let written = |count: usize| number(i64::try_from(count).unwrap_or(i64::MAX));
        let shown = written(chart.rows.len());
        let total = written(chart.rows.len() + chart.left_out);
        let values = [("shown", &*shown), ("total", &*total)];
        Some(self.lang().text_with("rp-chart-cut", &values))
    }

    fn sales(&self) -> Part {
        let sold = self.report.total.sold();
        let (tickets, revenue) = (number(sold.tickets), amount(sold.amount, self.currency));
        let values = [("tickets", &*tickets), ("amount", &*revenue)];
        let sentence = self.lang().text_with("rp-sales-sentence", &values);
        let rows = self.day_rows(|sales| (sales.all().reservations, sales.sold()));
        let columns = ["rp-day", "rp-made-all", "rp-tickets-sold", "rp-revenue"];
        Part {
            by_day: self.by_day(|sales| sales.sold().tickets, number),
            ..self.part("rp-sales", sentence, (&columns, rows))
        }
    }

    fn refunds(&self) -> Part {
        let back = self.report.total.given_back();
        let (count, sum) = (
            number(back.reservations),
            amount(back.amount, self.currency),
        );
        let values = [("number", &*count), ("amount", &*sum)];
        let sentence = self.lang().text_with("rp-refunds-sentence", &values);
        let back = |sales: &Sales| (sales.given_back().reservations, sales.given_back());
        let columns = [
            "rp-day",
            "rp-given-back-count",
            "reservation-tickets",
            "rp-amount",
        ];
        let label = |minor| money(minor, self.currency.as_str());
        Part {
            by_day: self.by_day(|sales| sales.given_back().amount.minor(), label),
            ..self.part("rp-refunds", sentence, (&columns, self.day_rows(back)))
        }
    }

    fn by_day(&self, value: impl Fn(&Sales) -> i64, label: impl Fn(i64) -> String) -> Option<Days> {
        let days = &self.report.days;
        let values: Vec<i64> = days.iter().map(|day| value(&day.sales)).collect();
        Some(Days {
            chart: DayChart::new(&values, label)?,
            first: self.lang().date_short(days.first()?.day),
            last: self.lang().date_short(days.last()?.day),
        })
    }

    fn day_rows(&self, of: impl Fn(&Sales) -> (i64, Sum)) -> Vec<Vec<String>> {
        let row = |day: &DaySales| {
            let (count, sum) = of(&day.sales);
            vec![
                self.lang().date_short(day.day),
                number(count),
                number(sum.tickets),
                amount(sum.amount, self.currency),
            ]
        };
        self.report.days.iter().map(row).collect()
    }

    fn fill(&self) -> Part {
        let concerts = &self.report.concerts;
        let bar = |one: &ConcertSales| Named {
            name: name_of(one),
            value: self.share("staff-taken", one.fill()),
            length: one.fill().permille().unwrap_or_default(),
        };
        let row = |one: &ConcertSales| {
            let (sold, fill) = (one.sales.sold(), one.fill());
            vec![
                name_of(one),
                self.lang().date_short(one.concert.date),
                number(sold.tickets),
                amount(sold.amount, self.currency),
                number(fill.part),
                number(fill.whole),
                rate(fill),
            ]
        };
        let columns = [
            "staff-concert",
            "concert-date",
            "rp-tickets-sold",
            "rp-revenue",
            "rp-taken",
            "sc-total",
            "rp-fill-rate",
        ];
        let count = i64::try_from(concerts.len()).unwrap_or(i64::MAX);
        let sentence = self.lang().count("rp-fill-sentence", count);
        let rows = concerts.iter().map(row).collect();
        Part {
            by_row: RowChart::new(concerts.iter().map(bar).collect(), 1000),
            ..self.part("rp-fill", sentence, (&columns, rows))
        }
    }

    fn revenue(&self) -> Part {
        let total = &self.report.total;
        let sums = Outcome::ALL.map(|outcome| (self.frame.t(key_of(outcome)), total.of(outcome)));
        let bar = |(name, sum): &(String, Sum)| Named {
            name: name.clone(),
            value: amount(sum.amount, self.currency),
            length: sum.amount.minor(),
        };
        let row = |(name, sum): &(String, Sum)| {
            vec![
                name.clone(),
                number(sum.reservations),
                number(sum.tickets),
                amount(sum.amount, self.currency),
            ]
        };
        let most = sums.iter().map(|(_, sum)| sum.amount.minor()).max();
        let all = amount(total.all().amount, self.currency);
        let sentence = self
            .lang()
            .text_with("rp-revenue-sentence", &[("amount", &all)]);
        let columns = ["sr-status", "rp-made", "reservation-tickets", "rp-amount"];
        let rows = sums.iter().map(row).collect();
        Part {
            by_row: RowChart::new(sums.iter().map(bar).collect(), most.unwrap_or_default()),
            ..self.part("rp-by-state", sentence, (&columns, rows))
        }
    }

    fn paid(&self) -> Part {
        let total = &self.report.total;
        let share = total.held_to_paid();
        let pending = total.of(Outcome::Pending).reservations;
        let rest = Share {
            part: share.whole - share.part,
            whole: share.whole,
        };
        let bar = |key: &str, of: Share| Named {
            name: self.frame.t(key),
            value: self.share("staff-taken", of),
            length: of.part,
        };
        let row = |key: &str, count, rate| vec![self.frame.t(key), number(count), rate];
        let rows = vec![
            row("rp-paid", share.part, rate(share)),
            row("rp-not-paid", rest.part, rate(rest)),
            row("rp-waiting", pending, "–".to_owned()),
        ];
        let (paid, ended, percent) = (number(share.part), number(share.whole), rate(share));
        let values = [("paid", &*paid), ("ended", &*ended), ("rate", &*percent)];
        let sentence = self.lang().text_with("rp-paid-sentence", &values);
        let columns = ["rp-hold", "rp-made", "rp-rate"];
        let bars = vec![bar("rp-paid", share), bar("rp-not-paid", rest)];
        Part {
            by_row: RowChart::new(bars, share.whole),
            ..self.part("rp-hold-to-paid", sentence, (&columns, rows))
        }
    }

    fn sell_outs(&self) -> Part {
        let sold_out = self.report.concerts.iter();
        let sold_out = sold_out.filter_map(|one| Some((one, one.sold_out?)));
        let sold_out: Vec<_> = sold_out.collect();
        let longest = sold_out.iter().map(|(_, sell_out)| sell_out.took()).max();
        // A bar of nothing would be none, and a second isn't.
        let length = |took: SignedDuration| took.as_secs().max(1);
        let bars = sold_out.iter().map(|(one, sell_out)| Named {
            name: name_of(one),
            value: self.time(sell_out.took()),
            length: length(sell_out.took()),
        });
        let rows = sold_out.iter().map(|(one, sell_out)| {
            vec![
                name_of(one),
                self.lang().date_short(one.concert.date),
                number(one.concert.total_tickets.into()),
                self.frame.moment(sell_out.first_at),
                self.frame.moment(sell_out.last_at),
                self.time(sell_out.took()),
            ]
        });
        let columns = [
            "staff-concert",
            "concert-date",
            "sc-total",
            "rp-first",
            "rp-last",
            "rp-took",
        ];
        Part {
            by_row: RowChart::new(bars.collect(), longest.map_or(0, length)),
            ..self.part(
                "rp-sell-out",
                self.told_of_sell_outs(sold_out.len()),
                (&columns, rows.collect()),
            )
        }
    }

    /// How many concerts are sold out, and that only so many of them are `shown` where there are more.
    fn told_of_sell_outs(&self, shown: usize) -> String {
        let concerts = self.report.concerts.iter();
        let all = concerts.filter(|one| one.is_sold_out()).count();
        let count = |of: usize| i64::try_from(of).unwrap_or(i64::MAX);
        let sentence = self.lang().count("rp-sell-out-sentence", count(all));
        if all <= shown {
            return sentence;
        }
        let values = [("shown", &*number(count(shown)))];
        let cut = self.lang().text_with("rp-sell-out-cut", &values);
        format!("{sentence} {cut}")
    }

    /// `420 of 500 · 84.0 %`
    fn share(&self, key: &str, share: Share) -> String {
        let (part, whole) = (number(share.part), number(share.whole));
        let text = self
            .lang()
            .text_with(key, &[("shown", &part), ("total", &whole)]);
        format!("{text} · {}", rate(share))
    }

    /// In the two largest units that say something.
    fn time(&self, took: SignedDuration) -> String {
        let seconds = took.as_secs();
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
        let (key, large, small) = match (days, hours, minutes) {
            (1.., ..) => ("rp-days-hours", days, hours),
            (0, 1.., _) => ("rp-hours-minutes", hours, minutes),
            _ => ("rp-minutes-seconds", minutes, rest),
        };
        let (large, small) = (number(large), small.to_string());
        let values = [("large", &*large), ("small", &*small)];
        self.lang().text_with(key, &values)
    }
}

fn name_of(one: &ConcertSales) -> String {
    format!("{} · {}", one.concert.artist, one.concert.name)
}

fn amount(total: Total, currency: Currency) -> String {
    money(total.minor(), currency.as_str())
}

fn rate(share: Share) -> String {
    let percent = share.percent();
    percent.map_or_else(|| "–".to_owned(), |percent| format!("{percent} %"))
}

const fn key_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "rp-completed",
        Outcome::Free => "rp-free",
        Outcome::Pending => "rp-pending",
        Outcome::Refunding => "rp-refunding",
        Outcome::Refunded => "rp-refunded",
        Outcome::Lapsed => "rp-lapsed",
    }
}

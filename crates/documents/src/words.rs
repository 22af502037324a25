//! What tickets and calendar entries say besides what they are told, in both languages.

use domain::language::Language;

/// The wording of one language.
pub(crate) struct Words {
    pub(crate) ticket: &'static str,
    pub(crate) date: &'static str,
    pub(crate) venue: &'static str,
    pub(crate) holder: &'static str,
    pub(crate) price: &'static str,
    pub(crate) code: &'static str,
    pub(crate) qr: &'static str,
    pub(crate) reservation: &'static str,
    pub(crate) hint: &'static str,
    of: fn(usize, usize) -> String,
}

impl Words {
    /// `1 of 2`.
    pub(crate) fn number_of(&self, number: usize, count: usize) -> String {
        (self.of)(number, count)
    }
}

pub(crate) const fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &ENGLISH,
        Language::Th => &THAI,
    }
}

static ENGLISH: Words = Words {
    ticket: "Ticket",
    date: "Date",
    venue: "Venue",
    holder: "Name",
    price: "Price",
    code: "Ticket code",
    qr: "QR code of this ticket",
    reservation: "Reservation",
    hint: "Show this code at the entrance, printed or on a screen. It lets one person in, once. \
           Please don’t share pictures of it.",
    of: |number, count| format!("{number} of {count}"),
};

static THAI: Words = Words {
    ticket: "บัตรคอนเสิร์ต",
    date: "วันแสดง",
    venue: "สถานที่",
    holder: "ชื่อ",
    price: "ราคา",
    code: "รหัสบัตร",
    qr: "คิวอาร์โค้ดของบัตรใบนี้",
    reservation: "หมายเลขการจอง",
    hint: "แสดงรหัสนี้ที่ทางเข้า จะพิมพ์หรือเปิดจากหน้าจอก็ได้ ใช้เข้างานได้หนึ่งคน หนึ่งครั้ง โปรดอย่าเผยแพร่ภาพรหัสนี้",
    of: |number, count| format!("ใบที่ {number} จาก {count}"),
};

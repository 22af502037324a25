## บุคคล

staff-users = บัญชีพนักงาน
account-state = สถานะ
account-active = ใช้งานอยู่
account-inactive = ปิดใช้งาน
account-with-factor = มีการยืนยันตัวตนขั้นที่สอง
account-last-login = เข้าสู่ระบบล่าสุด
account-acts = จัดการ
account-change = เปลี่ยนแปลง { $name }
account-role-submit = ให้บทบาทนี้
account-password-give = ให้รหัสผ่านนี้
account-factor-forget = ยกเลิกการยืนยันตัวตนขั้นที่สอง
account-sessions-end = สิ้นสุดการเข้าสู่ระบบทั้งหมด
account-disable = ปิดใช้งาน
account-enable = เปิดใช้งาน
account-delete = ลบ
account-delete-hint = บัญชีที่ลบแล้วกู้คืนไม่ได้ และชื่อจะใช้ซ้ำไม่ได้ เพราะบันทึกการตรวจสอบอ้างถึงชื่อนั้น
account-new-title = บัญชีใหม่
account-role-hint = ผู้ช่วยดูแลดู ยกเลิก ส่งซ้ำ และตรวจบัตร ผู้ดูแลระบบทำได้ทุกอย่างยกเว้นบัญชี ผู้ดูแลระบบสูงสุดทำได้ทุกอย่าง
account-make = สร้างบัญชี
account-choose-role = เลือกบทบาท
account-last = นี่คือผู้ดูแลระบบสูงสุดคนสุดท้ายที่ใช้งานอยู่ หากไม่มีจะไม่มีใครสร้างบัญชีได้ โปรดสร้างอีกคนก่อน
account-own = เปลี่ยนรหัสผ่านและการยืนยันตัวตนขั้นที่สองของตนเองได้ที่บัญชีของฉัน ซึ่งจะถามรหัสผ่านปัจจุบัน
said-account-made = สร้างบัญชีแล้ว โปรดมอบรหัสผ่านด้วยตนเอง และให้ผู้รับเปลี่ยนรหัสที่บัญชีของฉัน
said-account-role = เปลี่ยนบทบาทแล้ว และการเข้าสู่ระบบของบัญชีนี้สิ้นสุดแล้ว
said-account-password = เปลี่ยนรหัสผ่านแล้ว และการเข้าสู่ระบบของบัญชีนี้สิ้นสุดแล้ว
said-account-factor = ยกเลิกการยืนยันตัวตนขั้นที่สองแล้ว และการเข้าสู่ระบบของบัญชีนี้สิ้นสุดแล้ว
said-account-disabled = ปิดใช้งานบัญชีแล้ว และการเข้าสู่ระบบของบัญชีนี้สิ้นสุดแล้ว
said-account-enabled = บัญชีกลับมาใช้งานได้แล้ว
said-account-sessions = การเข้าสู่ระบบของบัญชีนี้สิ้นสุดแล้ว
said-account-deleted = ลบบัญชีแล้ว

## อีเมล

staff-mails = อีเมล
staff-all = ทั้งหมด
staff-filter = แสดง
mails-hint = เก็บไว้ 90 วัน อีเมลที่ระบบเลิกส่งแล้วส่งใหม่ได้จากหน้านี้ เมื่อแก้สาเหตุแล้ว
mails-none = ไม่มีอีเมลตามที่เลือก
mails-kind = เรื่อง
mails-at = เมื่อ
mails-retry = ส่งใหม่
mail-not-dead = ระบบยังไม่ได้เลิกส่งอีเมลนี้ จึงไม่มีอะไรต้องส่งใหม่
mail-status-pending = รอส่ง
mail-status-sent = ส่งแล้ว
mail-status-kept = เก็บไว้ เพราะไม่มีเซิร์ฟเวอร์อีเมล
mail-status-dead = เลิกส่งแล้ว
mail-kind-confirmed = บัตร
mail-kind-cancelled = ยกเลิก
mail-kind-refunded = คืนเงินแล้ว
mail-kind-payment-failed = ชำระเงินไม่สำเร็จ
mail-kind-sign-in = ลิงก์เข้าสู่ระบบ
said-mail-retried = กำลังส่งอีเมลใหม่

## บันทึกการตรวจสอบ

staff-audit = บันทึกการตรวจสอบ
audit-sealed = ทุกแถวประทับตราแล้ว
audit-no-seals = ยังไม่มีแถวใดประทับตรา เพราะเซิร์ฟเวอร์นี้ไม่มีรหัสลับถาวร
audit-unsealed =
    { $count ->
       *[other] แถวในช่วง { $shown } วินาทีล่าสุดกำลังรอประทับตรา
    }
audit-verify = ไม่มีใครแก้แถวที่ประทับตราแล้วโดยไม่ถูกจับได้ คำสั่ง stagedoor audit verify พิสูจน์ได้ทั้งบันทึก
audit-table = ตาราง
audit-action = การกระทำ
audit-record = ระเบียน
audit-user = บัญชี (หมายเลขหรือชื่อ)
audit-people = เฉพาะสิ่งที่คนทำ ไม่รวมสิ่งที่ระบบทำเอง
audit-from = ตั้งแต่
audit-to = ถึง
audit-none = ไม่มีการเปลี่ยนแปลงตามที่เลือก
audit-who = ใคร
audit-changes = อะไร
audit-fields =
    { $count ->
       *[other] { $shown } ช่อง
    }
audit-field = ช่อง
audit-before = ก่อน
audit-after = หลัง
audit-request = คำขอ
audit-older = เก่ากว่า

## กรอบหน้าสำหรับพนักงาน

staff-sections = หมวด
staff-home = ภาพรวม
staff-home-link = stagedoor สำหรับพนักงาน ภาพรวม
staff-account = บัญชีของฉัน
staff-sign-out = ออกจากระบบ
staff-to-shop = ไปหน้าร้าน
staff-role = บทบาท
staff-role-superadmin = ผู้ดูแลระบบสูงสุด
staff-role-admin = ผู้ดูแลระบบ
staff-role-moderator = ผู้ช่วยดูแล
staff-errors = โปรดตรวจสอบ
staff-filters = ตัวกรอง
staff-refused = ทำรายการนี้ไม่ได้
staff-back = ย้อนกลับ
staff-error-404-sentence = ที่อยู่อาจพิมพ์ผิด หรือสิ่งที่เคยอยู่ที่นี่ถูกลบไปแล้ว
staff-error-next = ไปหน้าภาพรวม

## การเข้าสู่ระบบ

staff-sign-in-title = เข้าสู่ระบบสำหรับพนักงาน
staff-not-signed-in = ยังไม่ได้เข้าสู่ระบบ
staff-code = รหัสของการยืนยันตัวตนขั้นที่สอง
staff-code-hint = เว้นว่างไว้หากไม่ได้ตั้งค่า ใช้รหัสกู้คืนแทนได้
staff-code-missing = บัญชีนี้มีการยืนยันตัวตนขั้นที่สอง พิมพ์รหัสผ่านอีกครั้งพร้อมรหัสยืนยัน
staff-sign-in-wrong = ชื่อผู้ใช้ รหัสผ่าน หรือรหัสยืนยันไม่ถูกต้อง โปรดตรวจสอบแล้วลองอีกครั้ง
staff-sign-in-locked = เข้าสู่ระบบไม่สำเร็จหลายครั้งเกินไป
staff-forgotten = ลืมรหัสผ่านหรือไม่ ผู้ดูแลระบบสูงสุดออกรหัสใหม่ให้ได้

## ภาพรวม

staff-needs-title = รอคุณดูแล
staff-needs-refunds =
    { $count ->
       *[other] มีการคืนเงิน { $shown } รายการที่ต้องมีคนช่วย
    }
staff-needs-jobs =
    { $count ->
       *[other] มีงานเบื้องหลัง { $shown } งานที่ระบบเลิกทำแล้ว คำสั่ง stagedoor doctor บอกวิธีแก้
    }
staff-sold-today = บัตรที่ขายวันนี้
staff-money-today = ยอดเงินที่ขายวันนี้
staff-held-now = บัตรที่ถือไว้ตอนนี้
staff-on-sale = กำลังขาย
staff-none-on-sale = ไม่มีคอนเสิร์ตที่เปิดขายอยู่
staff-on-sale-cut = ที่นี่แสดงเพียง { $shown } รายการ
staff-on-sale-all = ดูคอนเสิร์ตที่กำลังขายทั้งหมด
staff-concert = คอนเสิร์ต
staff-sold-held = ขายแล้วและกันไว้
staff-taken = { $shown } จาก { $total }

## ช่องในแบบฟอร์ม

field-required = จำเป็นต้องกรอก
field-range = กรอกตัวเลขตั้งแต่ { $from } ถึง { $to }
field-below-taken = ต้องไม่น้อยกว่า { $least } เพราะขายแล้ว { $sold } และกันไว้ { $held }
field-long = ยาวเกินไป โปรดย่อให้สั้นลง
field-short = สั้นเกินไป
field-characters = มีอักขระที่แสดงไม่ได้ โปรดพิมพ์ใหม่
field-path = กรอกที่อยู่ของรูปในเว็บนี้ เช่น /assets/posters/name.svg
field-invalid = ใช้ค่านี้ไม่ได้ โปรดตรวจสอบรูปแบบ

## บัญชีของตนเอง

account-password = รหัสผ่าน
account-password-hint = เมื่อเปลี่ยนแล้ว การเข้าสู่ระบบที่อื่นทั้งหมดของคุณจะสิ้นสุด
account-current = รหัสผ่านปัจจุบัน
account-new = รหัสผ่านใหม่
account-password-submit = เปลี่ยนรหัสผ่าน
account-wrong-password = ไม่ใช่รหัสผ่านปัจจุบันของคุณ
account-factor = การยืนยันตัวตนขั้นที่สอง
account-factor-on = การเข้าสู่ระบบต้องใช้รหัสยืนยันด้วย
account-factor-off = การเข้าสู่ระบบใช้เพียงรหัสผ่าน รหัสจากโทรศัพท์ช่วยกันผู้ที่เดาหรือเห็นรหัสผ่านของคุณ
account-factor-begin = ตั้งค่าการยืนยันตัวตนขั้นที่สอง
account-factor-end = ปิดการยืนยันตัวตนขั้นที่สอง
account-factor-scan = สแกนด้วยแอปยืนยันตัวตน
account-factor-qr = คิวอาร์โค้ดที่มีรหัสลับสำหรับแอปยืนยันตัวตน
account-factor-type = หรือพิมพ์รหัสนี้ในแอป:
account-factor-code = รหัสที่แอปแสดงอยู่ตอนนี้
account-factor-confirm = เปิดใช้
account-wrong-code = รหัสไม่ถูกต้องหรือช้าเกินไป โปรดเริ่มใหม่
account-no-key = เซิร์ฟเวอร์นี้ไม่มีรหัสลับถาวร การยืนยันตัวตนขั้นที่สองจะทำให้คุณเข้าไม่ได้หลังเริ่มระบบครั้งหน้า โปรดให้ผู้ดูแลเครื่องตั้งค่า STAGEDOOR_SECRET_KEY ก่อน
account-codes-title = รหัสกู้คืนของคุณ
account-codes-sentence = เปิดการยืนยันตัวตนขั้นที่สองแล้ว รหัสแต่ละชุดใช้แทนรหัสจากโทรศัพท์ได้ครั้งเดียว และจะไม่แสดงอีก โปรดพิมพ์หรือเก็บไว้ในที่ที่คุณเก็บรหัสผ่าน
account-codes-kept = เก็บไว้แล้ว
said-password-changed = เปลี่ยนรหัสผ่านแล้ว และการเข้าสู่ระบบที่อื่นของคุณสิ้นสุดแล้ว
said-factor-off = ปิดการยืนยันตัวตนขั้นที่สองแล้ว และการเข้าสู่ระบบที่อื่นของคุณสิ้นสุดแล้ว
said-factor-on-already = เปิดการยืนยันตัวตนขั้นที่สองอยู่แล้ว

## การเลือกด้วยหมายเลขหรือชื่อ

choice-no-concert = ไม่มีคอนเสิร์ตที่มี “{ $name }” ในชื่อศิลปินหรือชื่อคอนเสิร์ต พิมพ์บางส่วนของชื่อหรือหมายเลขคอนเสิร์ต
choice-no-account = ไม่มีบัญชีที่มี “{ $name }” ในชื่อ พิมพ์บางส่วนของชื่อหรือหมายเลขบัญชี
choice-several = “{ $name }” อาจหมายถึงรายการใดรายการหนึ่งต่อไปนี้: { $names } พิมพ์หมายเลขของรายการที่ต้องการ
choice-many = “{ $name }” อาจหมายถึงหลายรายการ เช่น { $names } พิมพ์ชื่อให้ยาวขึ้น หรือพิมพ์หมายเลขของรายการที่ต้องการ

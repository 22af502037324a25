# ข้อความทั้งหมดของหน้าเว็บเป็นภาษาไทย ใช้คีย์เดียวกันกับ en.ftl และมีการทดสอบเทียบกัน
# $count ใช้เลือกรูปพหูพจน์ ส่วน $shown คือตัวเลขเดียวกันในรูปแบบที่แสดงให้คนอ่าน

## ทุกหน้า

brand = Stagedoor
page-title = { $title } – { $site }
skip-to-content = ข้ามไปยังเนื้อหา
home-link = Stagedoor: คอนเสิร์ตทั้งหมด
language = ภาษา
theme = ธีมสี
theme-system = อัตโนมัติ
theme-light = สว่าง
theme-dark = มืด
footer-promise = ราคาที่เห็นคือราคาที่จ่ายจริง ไม่มีค่าธรรมเนียมเพิ่ม
free = ฟรี
tickets =
    { $count ->
       *[other] { $shown } ใบ
    }

## สถานะการขาย

state-on-sale = เปิดจำหน่าย
state-few-left = ใกล้หมด เหลือ { $shown } ใบ
state-sold-out = บัตรหมด
state-closed = ปิดจำหน่าย
state-past = แสดงไปแล้ว

## รายการคอนเสิร์ต

concerts-title = คอนเสิร์ต
concerts-lead = เลือกคืนที่ใช่ เรากันบัตรไว้ให้ระหว่างที่คุณตัดสินใจ
concerts-description = ค้นหาคอนเสิร์ต ดูจำนวนบัตรที่เหลือ แล้วจองได้ภายในหนึ่งนาที ราคาที่เห็นคือราคาที่จ่ายจริง
filter-label = ค้นหาคอนเสิร์ต
filter-search = ศิลปิน คอนเสิร์ต หรือสถานที่
filter-more = เดือน สถานที่ การจำหน่าย
filter-month = เดือน
filter-month-any = ทุกเดือน
filter-venue = สถานที่
filter-venue-any = ทุกสถานที่
filter-status = การจำหน่าย
filter-status-open = เปิดจำหน่าย
filter-status-closed = ปิดจำหน่าย
filter-submit = ค้นหา
filter-clear = ล้างการค้นหา
concerts-more = คอนเสิร์ตถัดไป
concerts-empty-title = ไม่พบคอนเสิร์ตที่ตรงกับการค้นหา
concerts-empty-hint = ลองใช้คำให้น้อยลง เลือกเดือนอื่น หรือเลือกทุกสถานที่
concerts-empty-action = ดูคอนเสิร์ตที่เปิดจำหน่ายทั้งหมด
concerts-none-title = ขณะนี้ยังไม่มีคอนเสิร์ต
concerts-none-hint = คอนเสิร์ตใหม่จะแสดงในหน้านี้ทันทีที่เปิดจำหน่าย

## หน้าคอนเสิร์ต

concert-back = คอนเสิร์ตทั้งหมด
concert-description = { $artist } – { $name } { $date } ณ { $venue } บัตรราคาเต็ม ไม่มีค่าธรรมเนียมเพิ่ม
concert-date = วันที่
concert-venue = สถานที่
concert-price = ราคาต่อใบ
concert-price-note = รวมค่าธรรมเนียมแล้ว
concert-left = บัตรคงเหลือ
concert-left-of = จาก { $shown } ใบ
concert-about = เกี่ยวกับคอนเสิร์ตนี้
concert-poster = โปสเตอร์: { $artist }
hold-title = จองบัตร
hold-quantity = ต้องการกี่ใบ
hold-quantity-hint =
    { $count ->
       *[other] ไม่เกิน { $shown } ใบต่อคน
    }
hold-fewer = ลดหนึ่งใบ
hold-more = เพิ่มหนึ่งใบ
hold-name = ชื่อของคุณ
hold-email = อีเมล
hold-email-hint = ใช้กับการจองนี้เท่านั้น เราไม่ส่งโฆษณา
hold-total = รวมทั้งหมด
hold-submit = จองบัตร
hold-note = ยังไม่มีการเก็บเงินในขั้นตอนนี้ เราจะกันบัตรไว้ให้คุณก่อน
hold-note-free = บัตรนี้ฟรี การจองของคุณจะได้รับการยืนยันทันที
sold-out-title = บัตรหมดแล้ว
sold-out-sentence = บัตรทุกใบขายแล้วหรือมีผู้จองไว้
sold-out-next = บัตรที่จองไว้จะกลับมาจำหน่ายเมื่อหมดเวลากันบัตร ลองกลับมาดูอีกครั้ง
sold-out-action = ดูอีกครั้ง
on-sale-now = เปิดจำหน่ายบัตรอยู่ในขณะนี้
sale-closed-title = ปิดจำหน่ายบัตรแล้ว
sale-closed-sentence = ขณะนี้ยังจองบัตรคอนเสิร์ตนี้ไม่ได้
sale-closed-next = หากเปิดจำหน่ายอีกครั้ง คุณสามารถจองได้ที่หน้านี้
past-title = คอนเสิร์ตนี้แสดงไปแล้ว
past-sentence = การจำหน่ายบัตรสิ้นสุดเมื่อจบวันแสดง
other-concerts-action = ดูคอนเสิร์ตอื่น

## ข้อผิดพลาดในการจอง

errors-title =
    { $count ->
       *[other] โปรดตรวจสอบ { $shown } รายการ
    }
errors-page-title = โปรดตรวจสอบ: { $title }
error-quantity-range =
    { $count ->
       *[other] กรอกจำนวนบัตรตั้งแต่ 1 ถึง { $shown } ใบ
    }
error-name-missing = กรอกชื่อของคุณ
error-name-long = ชื่อยาวเกินไป โปรดย่อให้สั้นลง
error-name-characters = ชื่อมีอักขระที่แสดงไม่ได้ โปรดพิมพ์ใหม่
error-email = กรอกอีเมลในรูปแบบ name@example.com
error-not-enough =
    { $count ->
       *[other] เหลือบัตรเพียง { $shown } ใบ เลือกไม่เกิน { $shown } ใบแล้วลองอีกครั้ง
    }
error-limit-order =
    { $count ->
       *[other] จองได้ครั้งละไม่เกิน { $shown } ใบ ลดจำนวนแล้วลองอีกครั้ง
    }
error-limit-customer =
    { $count ->
       *[other] อีเมลหนึ่งจองคอนเสิร์ตนี้ได้ไม่เกิน { $shown } ใบ นับรวมบัตรที่คุณมีอยู่แล้ว ลดจำนวนแล้วลองอีกครั้ง
    }
error-sold-out = บัตรใบสุดท้ายถูกจองไประหว่างที่คุณกรอกข้อมูล บัตรที่มีผู้จองไว้อาจกลับมาภายในไม่กี่นาที
error-sale-closed = การจำหน่ายเพิ่งปิดลง คุณยังไม่ได้จองบัตรใด ๆ
error-form-stale = แบบฟอร์มนี้ถูกใช้กับการจองอื่นไปแล้ว ตรวจสอบข้อมูลแล้วส่งอีกครั้ง
error-in-flight = การจองของคุณกำลังดำเนินการ รอสักครู่แล้วส่งอีกครั้ง คุณจะไม่ได้รับบัตรซ้ำ
error-total = ยอดรวมสูงเกินกว่าที่จองได้ในครั้งเดียว ลดจำนวนบัตรแล้วลองอีกครั้ง
error-unknown = การเชื่อมต่อขาดไปก่อนที่เราจะทราบว่าจองสำเร็จหรือไม่ ส่งอีกครั้งได้เลย คุณจะไม่ได้รับบัตรซ้ำ
error-busy = ขณะนี้มีผู้จองจำนวนมาก ยังไม่มีการจองเกิดขึ้น รอสักครู่แล้วลองอีกครั้ง

## การจอง

reservation-title = การจองของคุณ
reservation-number = หมายเลขการจอง
reservation-name = ชื่อ
reservation-tickets = จำนวนบัตร
reservation-total = รวมทั้งหมด
held-title = กันบัตรไว้ให้คุณถึง { $time } น.
held-label = กันบัตรไว้
held-sentence = คนอื่นซื้อบัตรเหล่านี้ไม่ได้จนถึง { $time } น. ขณะนี้ยังชำระเงินที่นี่ไม่ได้ หากผู้จัดงานไม่ยืนยันภายในเวลานั้น บัตรจะกลับไปจำหน่าย
held-next = กลับมาที่หน้านี้ด้วยเบราว์เซอร์เดิมได้ทุกเมื่อก่อน { $time } น.
held-left = เหลือเวลา { $time }
held-minutes =
    { $count ->
       *[other] อีก { $shown } นาทีบัตรของคุณจะกลับไปจำหน่าย
    }
held-more = ขอเวลาเพิ่ม
held-more-hint =
    { $count ->
       *[other] เริ่มนับเวลาใหม่ทั้งหมด ทำได้อีก { $shown } ครั้ง
    }
held-more-none = คุณใช้เวลาที่ให้ได้ครบแล้ว บัตรยังเป็นของคุณจนถึงเวลาที่แสดงด้านบน
held-soon-title = จะหมดเวลากันบัตรเวลา { $time } น.
held-soon-sentence = หลังจากนั้นบัตรจะกลับไปจำหน่ายเอง หากคุณไม่ต้องการแล้ว ปล่อยให้คนอื่นได้เลยตอนนี้
held-soon-close = ปิด
extend-not-possible = ขอเวลาเพิ่มสำหรับการจองนี้ไม่ได้แล้ว สถานะปัจจุบันแสดงอยู่ด้านล่าง
confirmed-title = ยืนยันบัตรของคุณแล้ว
confirmed-label = ยืนยันแล้ว
confirmed-sentence = บัตรเป็นของคุณแล้ว โปรดเก็บหมายเลขการจองไว้เป็นหลักฐาน
cancelled-title = ยกเลิกการจองแล้ว
cancelled-label = ยกเลิกแล้ว
cancelled-sentence = บัตรกลับไปจำหน่ายแล้ว คุณไม่ต้องทำอะไรเพิ่มเติม
expired-title = หมดเวลากันบัตรแล้ว
expired-label = หมดเวลา
expired-sentence = เรากันบัตรไว้ให้ถึง { $time } น. แล้วบัตรกลับไปจำหน่าย ไม่มีการเก็บเงิน
again-action = จองอีกครั้ง
concert-action = ดูคอนเสิร์ต
cancel-held = ปล่อยบัตร
cancel-confirmed = คืนบัตร
cancel-warning = บัตรจะกลับไปจำหน่ายให้ทุกคนทันที และย้อนกลับไม่ได้
cancel-submit = ยืนยัน นำบัตรกลับไปจำหน่าย
cancel-not-possible = ยกเลิกการจองนี้ไม่ได้แล้ว สถานะปัจจุบันแสดงอยู่ด้านล่าง

## เมื่อเกิดข้อผิดพลาด

error-next-home = ดูคอนเสิร์ตทั้งหมด
error-400-title = เราอ่านคำขอนี้ไม่ได้
error-400-sentence = ที่อยู่หรือแบบฟอร์มมีบางอย่างไม่ถูกต้อง ย้อนกลับแล้วลองอีกครั้ง
error-403-title = คุณไม่มีสิทธิ์เข้าหน้านี้
error-403-sentence = คำขอถูกส่งมาจากที่อื่นที่ไม่ใช่เว็บไซต์นี้ หรือบัญชีของคุณไม่มีสิทธิ์
error-404-title = หลังประตูนี้ไม่มีอะไร
error-404-sentence = ที่อยู่อาจพิมพ์ผิด หรือคอนเสิร์ตนี้ไม่อยู่ในรายการแล้ว ส่วนหน้าการจองเปิดได้เฉพาะในเบราว์เซอร์ที่ใช้จอง
error-405-title = หน้านี้ทำแบบนั้นไม่ได้
error-405-sentence = มีที่อยู่นี้จริง แต่ไม่รับคำขอแบบนี้ โปรดเริ่มใหม่จากหน้าคอนเสิร์ต
error-410-title = ไม่มีหน้านี้แล้ว
error-410-sentence = หน้านี้เคยอยู่ที่นี่ แต่ถูกนำออกไปแล้ว
error-422-title = เราใช้ข้อมูลที่ส่งมาไม่ได้
error-422-sentence = ข้อมูลในแบบฟอร์มไม่ถูกต้อง ยังไม่มีการจองเกิดขึ้น ย้อนกลับแล้วลองอีกครั้ง
error-429-title = โปรดช้าลงอีกนิด
error-429-sentence = มีคำขอจากที่อยู่เครือข่ายของคุณจำนวนมากในเวลาสั้น ๆ ข้อมูลของคุณไม่ได้สูญหาย
error-500-title = เกิดข้อผิดพลาดที่ฝั่งเรา
error-500-sentence = ไม่ใช่ความผิดของคุณ หากกำลังจองอยู่ โปรดตรวจสอบการจองของคุณก่อนลองใหม่
error-503-title = เราจะกลับมาในอีกสักครู่
error-503-sentence = ขณะนี้ระบบจำหน่ายบัตรยังตอบไม่ได้ การจองที่ทำไว้แล้วยังปลอดภัย
retry-seconds =
    { $count ->
       *[other] ลองอีกครั้งในอีก { $shown } วินาที
    }
retry-minutes =
    { $count ->
       *[other] ลองอีกครั้งในอีก { $shown } นาที
    }
request-id = หากติดต่อเรา โปรดแจ้งหมายเลขนี้:

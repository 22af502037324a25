## รายการการจอง

sr-title = การจอง
sr-filter = ค้นหาการจอง
sr-search = ชื่อ อีเมล หรือเลขที่การจอง
sr-status = สถานะ
sr-status-any = ทั้งหมด
sr-status-pending = ถือบัตรไว้
sr-status-confirmed = ยืนยันแล้ว
sr-status-cancelled = ยกเลิกแล้ว
sr-status-expired = หมดเวลา
sr-concert-number = คอนเสิร์ต (หมายเลขหรือชื่อ)
sr-email = อีเมล
sr-from = จองตั้งแต่
sr-to = จองถึง
sr-find = ค้นหา
sr-none = ยังไม่มีการจอง
sr-none-found = ไม่มีการจองแบบนี้ ลองเอาตัวกรองออก หรือค้นหาด้วยบางส่วนของชื่อ
sr-none-here = ไม่พบในรายการใหม่สุด ดูรายการที่เก่ากว่าต่อได้
sr-chosen = เลือก
sr-choose = เลือก { $id }
sr-buyer = ผู้ซื้อ
sr-made = เวลาที่สร้าง
sr-changed = เปลี่ยนล่าสุด
sr-acts-on-chosen = ทำกับรายการที่เลือก
sr-choose-all = เลือกทั้งหมดในหน้านี้
sr-choose-none = ไม่เลือกรายการใด
sr-choose-cancel = ยกเลิกที่เลือก…
sr-choose-refund = คืนเงินที่เลือก…
sr-choose-resend = ส่งอีเมลถึงที่เลือก…
sr-pages = หน้า
sr-newest = ใหม่สุด
sr-older = เก่ากว่า

## การจองหนึ่งรายการ

sr-acts = สิ่งที่ทำได้
sr-confirm = ยืนยันด้วยตนเอง
sr-confirm-sentence = คุณได้รับเงินทางอื่นแล้ว บัตรจะเป็นของผู้ซื้อ และเราจะส่งอีเมลถึงผู้ซื้อ
sr-confirm-anew =
    { $count ->
       *[other] เวลาถือบัตรหมดแล้ว การยืนยันจะนำบัตร { $shown } ใบมาใหม่หากยังมีพอ และถือว่าชำระเงินด้วยตนเอง
    }
sr-resend = ส่งอีเมลถึงผู้ซื้ออีกครั้ง
sr-resend-sentence = อีเมลใหม่จะบอกสถานะการจองในตอนนี้ พร้อมบัตรหากมี
sr-cancel = ยกเลิก
sr-cancel-one-sentence = บัตรจะคืนกลับเข้าคอนเสิร์ตทันที เงินที่ชำระแล้วจะถูกคืน และเราจะส่งอีเมลถึงผู้ซื้อ เงินที่รับด้วยตนเองจะอยู่ในรายการคืนเงินจนกว่าคุณจะคืนเงินแล้วและยืนยันว่าคืนแล้ว
sr-refund = คืนเงิน
sr-refund-sentence = เงินที่ชำระทั้งหมดจะถูกคืน และการจองที่ยืนยันแล้วจะถูกยกเลิก เงินที่รับด้วยตนเองถือว่าคืนด้วยตนเองแล้ว โปรดคืนเงินก่อน
sr-held-until = ถือไว้ถึง
sr-payments = การชำระเงิน
sr-payments-none = ยังไม่มีการชำระเงิน
sr-payment = รายการชำระเงิน
sr-way = ช่องทาง
sr-by-hand = รับด้วยตนเอง
sr-amount = จำนวนเงิน
sr-payment-pending = ยังไม่ทราบผล
sr-payment-completed = ชำระแล้ว
sr-payment-failed = ไม่สำเร็จ
sr-payment-refunding = กำลังคืนเงิน
sr-payment-refunded = คืนเงินแล้ว
sr-reason-late = เงินเข้ามาหลังหมดเวลาถือบัตร
sr-reason-cancelled = การจองถูกยกเลิกไปก่อนแล้ว
sr-reason-twice = การจองชำระเงินแล้วก่อนหน้านี้
sr-reason-wrong-amount = จำนวนเงินไม่ตรงกับยอดที่เรียกเก็บ
sr-reason-by-customer = ผู้ซื้อคืนบัตร
sr-reason-by-staff = พนักงานคืนเงิน
sr-reason-concert-cancelled = คอนเสิร์ตถูกยกเลิก
sr-ticket = บัตร
sr-ticket-use = การใช้
sr-ticket-unused = ยังไม่ใช้
sr-ticket-void = ใช้ไม่ได้แล้ว
sr-ticket-used-at = ใช้เมื่อ { $time }
sr-mails = อีเมล
sr-mail = อีเมล
sr-recipient = ผู้รับ
sr-story = เหตุการณ์
sr-event-made =
    { $count ->
       *[other] จองบัตร { $shown } ใบ
    }
sr-event-by-hand = พนักงานยืนยัน: รับเงินด้วยตนเอง
sr-deed-confirmed = { $name } ยืนยันการจอง โดยรับเงินด้วยตนเอง
sr-deed-cancelled = { $name } ยกเลิกการจอง
sr-deed-refunded = { $name } คืนเงิน
sr-deed-settled = { $name } บันทึกว่าคืนเงินด้วยช่องทางอื่นแล้ว
sr-deed-resent = { $name } ส่งอีเมลถึงผู้ซื้ออีกครั้ง
sr-event-payment = ผู้ซื้อไปชำระเงินที่ { $name }
sr-event-mail = เขียนอีเมล: { $title }
sr-event-mail-left = ส่งอีเมลแล้ว: { $title }
sr-event-ticket = บัตรใบที่ { $number } ใช้เข้างานแล้ว
sr-event-expired = หมดเวลาถือบัตร
sr-told-paid = ผู้ให้บริการได้รับเงินแล้ว
sr-told-failed = การชำระเงินไม่สำเร็จ
sr-told-refunded = ผู้ให้บริการคืนเงินแล้ว
sr-told-refund-failed = ผู้ให้บริการคืนเงินไม่ได้
sr-told-refund-refused = ผู้ให้บริการปฏิเสธการคืนเงิน
sr-told-refunded-too = ผู้ให้บริการคืนเงินด้วย แม้คืนเงินด้วยช่องทางอื่นไปแล้ว
sr-told-settled = คืนเงินด้วยช่องทางอื่นแล้ว
sr-told-settled-so = คืนเงินด้วยช่องทางอื่นแล้ว: { $note }
sr-told-refund-moved = ผู้ให้บริการแจ้งเรื่องการคืนเงิน
sr-told-disputed = ธนาคารของผู้ซื้อโต้แย้งการชำระเงิน โปรดตอบที่ผู้ให้บริการ
said-reservation-confirmed = ยืนยันการจองแล้ว
said-reservation-cancelled = ยกเลิกการจองแล้ว และบัตรคืนกลับเข้าคอนเสิร์ตแล้ว
said-reservation-refunded = กำลังคืนเงิน เงินที่รับด้วยตนเองถือว่าคืนแล้ว
said-mail-written = เขียนอีเมลใหม่แล้ว และจะส่งภายในไม่กี่วินาที

## เหตุผลที่ไม่ได้ทำ

sr-refused-gone = ถูกลบไปแล้ว
sr-refused-cancelled = ถูกยกเลิกไปแล้ว
sr-refused-expired = หมดเวลาถือบัตรแล้ว และบัตรจะกลับไปขายเอง
sr-refused-unpaid = ไม่มีเงินที่ชำระให้คืน หรือกำลังคืนเงินอยู่แล้ว
sr-refused-owed = รับเงินด้วยตนเอง โปรดคืนเงินแล้วบันทึกในหน้าของการจองนั้น
sr-refused-mail = ไม่มีอีเมลสำหรับการจองในสถานะนี้
sr-refused-role = ผู้ที่เริ่มรายการนี้ไม่มีสิทธิ์แล้ว
sr-refused-broken = การจองนี้มีข้อผิดพลาด ดูสาเหตุในบันทึกของเซิร์ฟเวอร์
sr-refused-state = สถานะเปลี่ยนไปแล้ว โปรดดูอีกครั้ง
sr-refused-concert-deleted = คอนเสิร์ตถูกลบแล้ว จึงไม่มีอะไรให้ยืนยัน โปรดคืนเงินที่ชำระแล้ว
sr-refused-concert-cancelled = คอนเสิร์ตถูกยกเลิกแล้ว จึงไม่มีอะไรให้ยืนยัน โปรดคืนเงินที่ชำระแล้ว
sr-refused-tickets =
    { $count ->
       *[other] การจองหมดเวลาแล้ว และเหลือบัตรเพียง { $shown } ใบ
    }

## หลายรายการพร้อมกัน

sr-none-chosen = ยังไม่ได้เลือกรายการ โปรดกลับไปทำเครื่องหมายการจองที่ต้องการ
sr-preview = ทำได้ { $shown } จาก { $total } รายการ ยังไม่มีอะไรเกิดขึ้น
sr-preview-by-hand = รับเงินด้วยตนเอง: { $number } รายการ ({ $amount }) เงินนี้จะไม่ถูกคืนโดยอัตโนมัติ แต่ละรายการจะอยู่ในรายการคืนเงินจนกว่าคุณจะคืนเงินและบันทึกว่าคืนแล้ว
sr-preview-back = คืนเงินตามช่องทางที่ชำระมา: { $amount } จาก { $number } การจองในรายการนี้
sr-money-back = เงินที่คืน
sr-what-happens = สิ่งที่จะเกิดขึ้น
sr-start = ดำเนินการ
sr-run-cancel = ยกเลิกการจอง
sr-run-refund = คืนเงินการจอง
sr-run-resend = ส่งอีเมลถึงผู้ซื้ออีกครั้ง
sr-run-concert = ยกเลิกคอนเสิร์ต
sr-run-begun = เริ่มโดย { $name } เมื่อ { $time }
sr-run-going-on = กำลังดำเนินการ
sr-run-followed = ทำครบแล้ว กำลังคืนเงินหรือส่งอีเมลต่อ
sr-run-over = เสร็จแล้ว
sr-run-of = { $shown } จาก { $total } การจอง
sr-run-done = ทำแล้ว
sr-run-refused = คงไว้ตามเดิม
sr-run-failed = ไม่สำเร็จ
sr-run-refunds-back = คืนเงินแล้ว
sr-run-refunds-under-way = กำลังคืนเงิน
sr-run-refunds-stuck = การคืนเงินที่ต้องให้คุณช่วย
sr-run-mails-sent = อีเมลที่ส่งแล้ว
sr-run-mails-waiting = อีเมลที่รอส่ง
sr-run-mails-dead = อีเมลที่เลิกส่ง
sr-run-look = ดูอีกครั้ง
sr-run-troubles = รายการที่คงไว้ตามเดิมและเหตุผล
sr-why = เหตุผล
sr-run-rows = แต่ละการจอง
sr-run-rows-cut = แสดง { $shown } รายการแรกจาก { $total } รายการ
sr-run-outcome = ผลที่เกิดขึ้น
sr-run-waits = กำลังรอคิว
sr-runs-title = การดำเนินการกับหลายการจอง
sr-runs-none = ยังไม่มีการดำเนินการกับหลายการจอง
sr-runs-hint = แสดงเฉพาะ 50 รายการล่าสุด
sr-runs-what = การดำเนินการ
sr-runs-who = เริ่มโดย
sr-runs-at = เริ่มเมื่อ

## การยกเลิกคอนเสิร์ต

sr-cancel-sentence = การขายจะสิ้นสุดถาวร การจองทั้งหมดจะถูกยกเลิก ผู้ซื้อจะได้รับเงินคืนและอีเมล ย้อนกลับไม่ได้
sr-cancelled-before = คอนเสิร์ตนี้ถูกยกเลิกไปแล้ว
sr-to-run = ดูความคืบหน้า
sr-cancel-confirmed = การจองที่ยืนยันแล้ว
sr-cancel-held = การจองที่ถือบัตรไว้
sr-cancel-tickets = บัตร
sr-cancel-by-provider = คืนเงินผ่านผู้ให้บริการ
sr-cancel-by-hand = ต้องคืนเงินด้วยตนเอง
sr-cancel-mails = อีเมล
sr-cancel-name = ชื่อคอนเสิร์ต
sr-cancel-name-hint = พิมพ์ “{ $name }” เพื่อยืนยัน
sr-cancel-name-wrong = ชื่อไม่ตรงกัน
sr-cancel-submit = ยกเลิกคอนเสิร์ตและคืนเงินทุกคน

## การคืนเงินที่ยังค้างอยู่

refunds-title = การคืนเงินที่ต้องให้คุณช่วย
refunds-none = ไม่มีการคืนเงินค้างอยู่
refunds-hint = แต่ละรายการมีหน้าของตัวเอง ซึ่งคุณขอคืนเงินจากผู้ให้บริการอีกครั้ง หรือบันทึกว่าคุณคืนเงินเองอย่างไรได้
refunds-paid = เริ่มชำระเมื่อ

## รายการคืนเงินหนึ่งรายการ

refund-title = การคืนเงินที่ต้องให้คุณช่วย
refund-help = ช่วยดำเนินการคืนเงินนี้
refund-why = เหตุผลที่คืนเงินไม่ได้
refund-reason = เหตุผลที่ต้องคืนเงิน
refund-paid-at = ชำระเมื่อ
refund-money = ชื่อของเงินนี้ที่ผู้ให้บริการ
refund-tries = สิ่งที่ลองทำแล้ว
refund-tries-none = ผู้ให้บริการยังไม่ได้แจ้งอะไรเกี่ยวกับการชำระเงินนี้
refund-ask = ขอคืนเงินจากผู้ให้บริการอีกครั้ง
refund-ask-sentence = โปรดแก้ตามเหตุผลที่แสดงก่อน ระบบจะพบเงินที่ผู้ให้บริการคืนไปแล้ว และจะไม่คืนเงินซ้ำ
refund-settle = ฉันคืนเงินด้วยช่องทางอื่นแล้ว
refund-settle-sentence = ใช้เมื่อผู้ให้บริการคืนเงินไม่ได้อีกแล้วเท่านั้น เช่น บัตรเครดิตถูกปิด โปรดคืนเงินให้ผู้ซื้อก่อน แล้วบันทึกที่นี่ จากนั้นจะนับว่าคืนเงินแล้ว และผู้ซื้อจะได้รับอีเมล
refund-note = คืนเงินอย่างไรและเมื่อใด
refund-note-hint = 1 ถึง 500 ตัวอักษร เช่น “โอนเข้าบัญชีธนาคารของผู้ซื้อ 3 มีนาคม” ผู้ซื้อจะเห็นข้อความนี้เฉพาะเมื่อขอสำเนาข้อมูลของตน
refund-note-empty = โปรดเขียนว่าคืนเงินอย่างไรและเมื่อใด
refund-note-long =
    { $count ->
       *[other] ข้อความยาวเกินไป { $shown } ตัวอักษร โปรดย่อให้เหลือ 500
    }
refund-settle-submit = ดำเนินการต่อ
refund-confirm-title = คืนเงินแล้วใช่หรือไม่
refund-confirm-sentence = คุณยืนยันว่า { $name } ได้รับเงินคืน { $amount } แล้ว ระบบจะไม่ขอคืนเงินจากผู้ให้บริการอีก เราจะส่งอีเมลถึงผู้ซื้อ และย้อนกลับไม่ได้
refund-confirm-submit = ยืนยัน คืนเงินแล้ว
refund-confirm-change = แก้ไขข้อความ
refund-settled = คืนเงินด้วยช่องทางอื่นแล้ว
refund-twice = อาจคืนเงินซ้ำสองครั้ง
refund-twice-sentence = ผู้ให้บริการแจ้งว่าคืนเงินไปแล้วด้วย โปรดตรวจสอบที่ผู้ให้บริการ และติดต่อผู้ซื้อหากได้รับเงินสองครั้ง
refund-not-stuck = การคืนเงินนี้ไม่ได้ค้างอยู่ กำลังคืนเงินหรือคืนเงินแล้ว ไม่มีอะไรเปลี่ยนแปลง
refund-by-hand = รับเงินด้วยตนเอง จึงไม่มีผู้ให้บริการให้ขอคืนเงิน โปรดคืนเงิน แล้วบันทึกว่าคืนแล้ว
refund-being-sent = กำลังขอคืนเงินนี้จากผู้ให้บริการอยู่ โปรดรอสองนาทีแล้วดูคำตอบ มิฉะนั้นผู้ซื้ออาจได้รับเงินสองครั้ง
said-refund-asked = กำลังขอคืนเงินจากผู้ให้บริการอีกครั้ง คำตอบจะแสดงที่นี่ภายในไม่กี่วินาที
said-refund-settled = คืนเงินแล้ว และผู้ซื้อจะได้รับอีเมล

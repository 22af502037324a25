## รายงาน

rp-title = รายงาน
rp-filter = ช่วงวันและคอนเสิร์ตของรายงาน
rp-from = วันแรก
rp-to = วันสุดท้าย
rp-show = แสดง
rp-counts = การจองนับเป็นของวันที่จอง ตามสถานะในตอนนี้
rp-days-reversed = วันสุดท้ายอยู่ก่อนวันแรก เลือกวันเดียวกันหรือวันหลังจากนั้น
rp-days-many = รายงานมีได้ไม่เกิน { $days } วัน เลือกวันแรกให้ช้าลง หรือวันสุดท้ายให้เร็วขึ้น
rp-table = ข้อมูลเดียวกันในรูปตาราง
rp-chart-cut = แผนภูมิแสดง { $shown } รายการแรกจากทั้งหมด { $total } รายการ
rp-chart-rest = ดูทั้งหมดในตาราง
rp-cut = ไม่ได้แสดงคอนเสิร์ตที่ขายได้น้อยที่สุด เลือกช่วงวันให้สั้นลงหรือเลือกคอนเสิร์ตเดียวเพื่อดู
rp-day = วัน
rp-made = การจอง
rp-made-all = การจองทั้งหมดที่ทำ
rp-amount = จำนวนเงิน
rp-revenue = รายได้
rp-tickets-sold = บัตรที่ขายได้
rp-given-back = เงินที่คืนแล้วหรือกำลังคืน
rp-given-back-count = จำนวนที่คืนแล้วหรือกำลังคืน
rp-sales = ยอดขายรายวัน
rp-sales-sentence = ขายบัตรได้ { $tickets } ใบ เป็นเงิน { $amount }
rp-fill = บัตรที่มีผู้จองของแต่ละคอนเสิร์ต
rp-fill-sentence =
    { $count ->
        [0] ไม่มีการจองในช่วงวันนี้
       *[other] บัตรที่ขายแล้วหรือถือไว้ในตอนนี้ เทียบกับบัตรทั้งหมด ของ { $shown } คอนเสิร์ต เรียงจากที่ขายได้มากที่สุด
    }
rp-fill-rate = สัดส่วน
rp-taken = ขายแล้วและถือไว้ตอนนี้
rp-by-state = เงินตามสถานะ
rp-revenue-sentence = การจองทั้งหมดมีมูลค่า { $amount }
rp-completed = ขายและชำระแล้ว
rp-free = บัตรฟรี
rp-pending = รอชำระเงิน
rp-refunding = กำลังคืนเงิน
rp-refunded = คืนเงินแล้ว
rp-lapsed = ไม่ได้ชำระ
rp-hold-to-paid = การถือบัตรที่ชำระเงิน
rp-paid-sentence = ชำระเงินแล้ว { $paid } จาก { $ended } การถือบัตรที่สิ้นสุดแล้ว คิดเป็น { $rate }
rp-hold = การถือบัตร
rp-paid = ชำระแล้ว
rp-not-paid = ไม่ได้ชำระ
rp-waiting = ยังรออยู่
rp-rate = สัดส่วน
rp-refunds = การคืนเงิน
rp-refunds-sentence = คืนเงินแล้วหรือกำลังจะคืน { $number } การจองของช่วงวันนี้ เป็นเงิน { $amount }
rp-sell-out = เวลาจนบัตรหมด
rp-sell-out-sentence =
    { $count ->
        [0] ยังไม่มีคอนเสิร์ตที่บัตรหมด
       *[other] บัตรหมดแล้ว { $shown } คอนเสิร์ต นับจากการจองแรกถึงการจองบัตรใบสุดท้าย
    }
rp-sell-out-cut = แสดงเวลาเฉพาะ { $shown } คอนเสิร์ตที่ขายได้มากที่สุด
rp-first = การจองแรก
rp-last = บัตรใบสุดท้าย
rp-took = เวลา
rp-days-hours = { $large } วัน { $small } ชม.
rp-hours-minutes = { $large } ชม. { $small } นาที
rp-minutes-seconds = { $large } นาที { $small } วินาที

## ไฟล์สำหรับนำออก

ex-label = นำรายการนี้ออก
ex-csv = ส่งออกเป็น CSV
ex-xlsx = ส่งออกเป็น XLSX

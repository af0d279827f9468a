// What the pages of the console run. They can be read without any of it.
import 'htmx.org'
import 'htmx.org/dist/ext/hx-sse.js'
import { ChartElement } from './chart.ts'
import { watchConnection } from './connection.ts'
import { copyByButton } from './copy.ts'
import { checkJsonFields } from './json-field.ts'
import { sendOnce } from './once.ts'
import { TimeElement } from './time.ts'

customElements.define('dcm-time', TimeElement)
customElements.define('dcm-chart', ChartElement)
watchConnection()
copyByButton()
checkJsonFields()
sendOnce()

import { httpClientSuite } from '../suites/http.ts';
import { startNginx } from './nginx.ts';

httpClientSuite('nginx', startNginx, { echo: false });

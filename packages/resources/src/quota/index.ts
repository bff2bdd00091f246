/** Quotas as both the controller and admission understand them: what objects use, and whether a write fits. */
export { type Amounts, amountsField, amountsOf, changeOf, sameAmounts } from './amounts.ts'
export { quotaEvaluatorOf } from './evaluators.ts'
export { podLimitAmounts, podRequestAmounts } from './pod-amounts.ts'
export { judgeByQuota, type QuotaChange, quotaUsage, type QuotaVerdict } from './quota.ts'

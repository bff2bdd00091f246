export {
  createScheduler,
  type SchedulerFigures,
  type SchedulerOptions,
  type SchedulerRunnable,
} from './scheduler/index.ts'

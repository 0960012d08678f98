// Responds as soon as the server can; asks no database.
export const dynamic = 'force-dynamic';

export function GET() {
  return new Response('ok\n');
}

export const dynamic = 'force-dynamic';

export async function GET() {
  await new Promise((resolve) => setTimeout(resolve, 500));
  return new Response(`release ${process.env.VERSION}\n`);
}
